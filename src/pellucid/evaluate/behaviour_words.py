"""Templates of captions and tags on scenes made by code, whose words are known: "a red ball on grass".

The captioner is asked directly. As served most made scenes get no caption, because the domain rule does not take them for
photographs; what is tested here is what it says where it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image, ImageOps

from pellucid.analyse.tags import choose_tags, merged_scores
from pellucid.evaluate.behaviour_answers import Answers, Template, flat_pictures
from pellucid.evaluate.scenes import GROUNDS, THINGS, other_colour
from pellucid.runtime.bundle import TagScore
from pellucid.runtime.vocabulary import words_of

# What must not be seen where there is nothing, and what a thing of ours may be called by the tag head.
CREATURES = frozenset({"person", "man", "woman", "child", "boy", "girl", "dog", "cat", "horse", "car", "bicycle"})
THING_TAGS = {"ball": ("ball", "sports ball"), "frisbee": ("frisbee",), "kite": ("kite",)}
# A mirrored picture's caption may say "left" for "right"; half of its words must stay.
SAME_WORDS = 0.5


def said(answers: Answers, picture: Image.Image) -> set[str]:
    """The words of the picture's caption."""
    seen = answers.seen_whole(picture)
    return set(words_of(answers.bundle.caption(seen["patches"][0], seen["embedding"][0]).text))


def tag_scores(answers: Answers, picture: Image.Image) -> list[TagScore]:
    return answers.bundle.tags(answers.seen_whole(picture)["embedding"])[0]


def shown_tags(answers: Answers, picture: Image.Image) -> list[str]:
    """What people would see, the surest first."""
    assert answers.bundle.tag_set
    return [tag.name for tag in choose_tags(tag_scores(answers, picture), answers.bundle.tag_set)]


def _names_colour(answers: Answers) -> Iterator[bool]:
    return (scene.colour in said(answers, scene.picture()) for scene in answers.scenes)


def _names_thing(answers: Answers) -> Iterator[bool]:
    return (bool(said(answers, scene.picture()) & set(THINGS[scene.thing or ""])) for scene in answers.scenes)


def _names_ground(answers: Answers) -> Iterator[bool]:
    return (bool(said(answers, scene.picture()) & set(GROUNDS[scene.ground])) for scene in answers.scenes)


def _caption_mirror(answers: Answers) -> Iterator[bool]:
    for picture in answers.real:
        one, other = said(answers, picture), said(answers, ImageOps.mirror(picture))
        yield len(one & other) >= SAME_WORDS * len(one | other)


def _caption_recoloured(answers: Answers) -> Iterator[bool]:
    for scene in answers.scenes:
        changed = other_colour(scene)
        words = said(answers, changed.picture())
        yield changed.colour in words and scene.colour not in words


def _flat_has_no_creature(answers: Answers) -> Iterator[bool]:
    return (not CREATURES.intersection(shown_tags(answers, picture)) for picture in flat_pictures())


def _tags_ground(answers: Answers) -> Iterator[bool]:
    for scene in answers.scenes:
        yield bool(set(GROUNDS[scene.ground]).intersection(shown_tags(answers, scene.without_thing().picture())))


def _tags_mirror(answers: Answers) -> Iterator[bool]:
    for picture in answers.real:
        if tags := shown_tags(answers, picture):
            yield tags[0] in shown_tags(answers, ImageOps.mirror(picture))


def _tags_thing_added(answers: Answers) -> Iterator[bool]:
    for scene in answers.scenes:
        without, with_it = (merged_scores(tag_scores(answers, one.picture())) for one in (scene.without_thing(), scene))
        for tag in set(THING_TAGS[scene.thing or ""]) & with_it.keys():
            yield with_it[tag] > without[tag]


WORD_TESTS = (
    Template("captions_minimum_colour", "captions", "minimum", "The caption names the colour of the thing.", _names_colour),
    Template("captions_minimum_thing", "captions", "minimum", "The caption names the thing.", _names_thing),
    Template("captions_minimum_ground", "captions", "minimum", "The caption names what the thing lies on.", _names_ground),
    Template(
        "captions_invariance_mirror", "captions", "invariance", "A mirrored real picture's caption keeps half of its words.",
        _caption_mirror,
    ),
    Template(
        "captions_direction_colour", "captions", "direction",
        "With the thing in another colour, the caption names that colour and no longer the first.", _caption_recoloured,
    ),
    Template(
        "tags_minimum_flat", "tags", "minimum", "No person, animal or vehicle is seen in a flat colour.", _flat_has_no_creature
    ),
    Template("tags_minimum_ground", "tags", "minimum", "Bare grass, sand, snow or water is tagged so.", _tags_ground),
    Template("tags_invariance_mirror", "tags", "invariance", "A mirrored real picture keeps its surest tag.", _tags_mirror),
    Template(
        "tags_direction_thing", "tags", "direction", "A thing laid on the ground raises its tag's score.", _tags_thing_added
    ),
)  # fmt: skip
