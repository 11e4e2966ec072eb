"""The words by which captions name COCO's 80 objects, written for this project: to find and count those that are not there.

After CHAIR, Rohrbach et al. (arXiv 1809.02156). A word of several objects is left out (`bat`, `mouse pad`); compounds that name
something else than their parts (`hot dog`, `toy train`, `home plate`) are listed so that the longest match wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

# object → the words beside its own name, in the singular unless the plural is irregular
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "person": (
        "people", "man", "men", "woman", "women", "boy", "girl", "child", "children", "kid", "baby", "toddler", "infant",
        "lady", "guy", "gentleman", "adult", "teenager", "player", "skier", "snowboarder", "skateboarder", "surfer", "rider",
        "cyclist", "biker", "batter", "pitcher", "catcher", "umpire", "runner", "swimmer", "climber", "hiker", "worker",
        "officer", "policeman", "soldier", "chef", "bride", "groom", "crowd", "pedestrian", "spectator", "passenger", "couple",
        "someone", "male", "female", "baseball player", "basketball player", "football player", "kite surfer",
    ),
    "bicycle": ("bike", "cycle", "tricycle", "mountain bike"),
    "car": ("automobile", "sedan", "taxi", "cab", "suv", "minivan", "jeep", "race car"),
    "motorcycle": ("motorbike", "dirt bike", "scooter", "moped", "motor bike"),
    "airplane": ("plane", "aeroplane", "jet", "airliner", "aircraft", "biplane", "jetliner"),
    "bus": ("double decker", "school bus"),
    "train": ("locomotive", "tram", "subway train", "trolley", "streetcar"),
    "truck": ("pickup", "pick-up", "fire engine", "lorry", "tow truck"),
    "boat": ("ship", "sailboat", "canoe", "kayak", "raft", "ferry", "yacht", "rowboat", "gondola"),
    "traffic light": ("stoplight", "traffic signal", "stop light", "street light signal"),
    "fire hydrant": ("hydrant",),
    "stop sign": (),
    "parking meter": (),
    "bench": ("park bench",),
    "bird": (
        "seagull", "gull", "duck", "goose", "geese", "pigeon", "parrot", "owl", "eagle", "swan", "crow", "flamingo", "chicken",
        "rooster", "hen", "duckling", "hummingbird", "peacock",
    ),
    "cat": ("kitten", "kitty", "tabby"),
    "dog": (
        "puppy", "puppies", "poodle", "greyhound", "labrador", "retriever", "terrier", "collie", "bulldog", "pup", "husky",
        "dachshund",
    ),
    "horse": ("pony", "ponies", "foal", "stallion"),
    "sheep": ("lamb", "ram", "ewe"),
    "cow": ("cattle", "bull", "calf", "calves", "ox", "oxen"),
    "elephant": (),
    "bear": ("polar bear", "grizzly", "bear cub", "panda"),
    "zebra": (),
    "giraffe": (),
    "backpack": ("knapsack", "rucksack"),
    "umbrella": ("parasol",),
    "handbag": ("purse",),
    "tie": ("necktie", "bow tie", "bowtie"),
    "suitcase": ("luggage", "briefcase"),
    "frisbee": ("disc", "disk"),
    "skis": ("ski",),
    "snowboard": (),
    "sports ball": (
        "ball", "soccer ball", "football", "basketball", "baseball", "volleyball", "tennis ball", "rugby ball", "beach ball",
    ),
    "kite": (),
    "baseball bat": (),
    "baseball glove": ("catcher 's mitt", "mitt"),
    "skateboard": (),
    "surfboard": ("longboard", "boogie board", "bodyboard", "surf board"),
    "tennis racket": ("racket", "racquet", "tennis racquet"),
    "bottle": ("water bottle", "beer bottle", "wine bottle"),
    "wine glass": ("wineglass",),
    "cup": ("mug", "coffee cup"),
    "fork": (),
    "knife": ("knives",),
    "spoon": (),
    "bowl": (),
    "banana": (),
    "apple": (),
    "sandwich": ("burger", "hamburger", "cheeseburger", "sub"),
    "orange": (),
    "broccoli": (),
    "carrot": (),
    "hot dog": ("hotdog", "sausage in a bun"),
    "pizza": (),
    "donut": ("doughnut",),
    "cake": ("cupcake", "birthday cake"),
    "chair": ("armchair", "recliner", "stool", "seat", "lawn chair"),
    "couch": ("sofa", "loveseat", "futon"),
    "potted plant": ("houseplant", "plant"),
    "bed": ("bunk bed", "mattress"),
    "dining table": ("table", "desk", "coffee table", "picnic table"),
    "toilet": ("urinal",),
    "tv": ("television", "tv set", "monitor", "television screen"),
    "laptop": ("laptop computer", "notebook computer"),
    "mouse": ("computer mouse",),
    "remote": ("remote control", "wii remote", "game controller"),
    "keyboard": (),
    "cell phone": ("cellphone", "phone", "mobile phone", "smartphone", "telephone"),
    "microwave": (),
    "oven": ("stove",),
    "toaster": (),
    "sink": ("washbasin",),
    "refrigerator": ("fridge", "freezer"),
    "book": ("novel",),
    "clock": ("clock tower",),
    "vase": (),
    "scissors": ("shears",),
    "teddy bear": ("stuffed animal", "stuffed bear", "plush toy", "teddy"),
    "hair drier": ("hair dryer", "blow dryer"),
    "toothbrush": (),
}  # fmt: skip

# These name none of the objects that stand in them.
OTHER_THINGS = (
    "toilet paper", "train track", "train station", "bus stop", "bus station", "car seat", "baseball field",
    "baseball game", "baseball uniform", "baseball cap", "baseball diamond", "basketball court",
    "basketball game", "basketball hoop", "football field", "football game", "football uniform",
    "football helmet", "soccer game", "volleyball court", "boat dock", "orange shirt", "orange jacket", "orange hat",
    "orange vest", "orange and", "an orange dress", "orange uniform", "orange ball", "ski lift", "ski slope", "ski pole",
    "table tennis", "bed of", "dog house", "horse drawn", "tie dye", "kite surfing", "toy car", "toy train",
    "toy truck", "remote controlled", "ferris wheel", "roller coaster", "snow covered", "bicycle helmet", "bike trail",
    "bike rack", "bike path", "bike ramp", "skateboard ramp", "skateboard park", "seat of", "phone booth", "water plant",
    "the back seat", "book store", "cup of", "table cloth",
)  # fmt: skip
IRREGULAR = frozenset(
    ["people", "men", "women", "children", "geese", "puppies", "ponies", "calves", "oxen", "knives", "cattle", "luggage"]
)
LONGEST_NAME = 4


def objects_named(words: Sequence[str], names: Mapping[tuple[str, ...], str | None]) -> set[str]:
    """COCO objects that a caption's words name; `names` as `name_table` makes it."""
    found: set[str] = set()
    place = 0
    while place < len(words):
        length = next((n for n in range(LONGEST_NAME, 0, -1) if tuple(words[place : place + n]) in names), 0)
        if length and (name := names[tuple(words[place : place + length])]):
            found.add(name)
        place += max(1, length)
    return found


@cache
def name_table() -> dict[tuple[str, ...], str | None]:
    """Words in singular and plural → the object they name, or None for the things that only sound like one."""
    table: dict[tuple[str, ...], str | None] = {}
    for thing in OTHER_THINGS:
        table[tuple(thing.split())] = None
        table[_plural(thing)] = None
    for name, synonyms in SYNONYMS.items():
        for words in (name, *synonyms):
            table[tuple(words.split())] = name
            if words not in IRREGULAR:
                table[_plural(words)] = name
    return table


def _plural(words: str) -> tuple[str, ...]:
    *before, last = words.split()
    if last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return (*before, last)
