"""Search in both databases: what matches is found and ranked, what is gone or filtered is not, and nothing typed is a mistake."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sqlalchemy import text, update

from pellucid.base.errors import NotFound
from pellucid.records.report import Caption, Moderation, Report, Tag
from pellucid.store.analyses import Arrival, add_accepted, set_answered
from pellucid.store.database import writing
from pellucid.store.deletion import erase
from pellucid.store.search import Place, Search, SearchFilters
from pellucid.store.similar import Similar
from pellucid.store.store import Store
from pellucid.store.tables import analyses
from tests.store.made import START, report, save

EVERYTHING = SearchFilters()


def pictured(caption: str | None, *tags: str, minute: int = 0, ocr: str | None = None, **fields: object) -> Report:
    named = [Tag(name=tag, score=0.9, source="captions") for tag in tags]
    return report(minute, caption=caption and Caption(text=caption), tags=named, ocr=ocr, **fields)


def found(search: Search, words: str, filters: SearchFilters = EVERYTHING) -> list[str]:
    return [match.report.id for match in search.by_words(words, filters, 50).matches]


@pytest.fixture
def search(store: Store) -> Search:
    return Search(store.database)


def test_finds_by_caption_tag_and_text_in_the_picture(store: Store, search: Search) -> None:
    dog = pictured("A brown dog runs through shallow water.")
    beach = pictured(None, "beach", "hot dog")
    sign = pictured("A sign.", ocr="No parking after midnight")
    save(store, dog, beach, sign)
    assert found(search, "running") == [dog.id]
    assert set(found(search, "dogs")) == {dog.id, beach.id}
    assert found(search, "MIDNIGHT") == [sign.id]
    assert found(search, "accordion") == []


def test_what_has_more_and_rarer_words_comes_first(store: Store, search: Search) -> None:
    plain = [pictured(f"A man walks in street {number}.") for number in range(60)]
    rare = pictured("A woman plays the accordion.")
    both = pictured("A man plays the accordion.")
    save(store, *plain, rare, both)
    with store.database.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ANALYZE"))
    assert found(search, "a man with an accordion")[:2] == [both.id, rare.id]


def test_marks_what_matched(store: Store, search: Search) -> None:
    save(store, pictured("Two dogs run.", "dog", "grass", ocr="Dog show"))
    (match,) = search.by_words("dog running", EVERYTHING, 10).matches
    assert match.marked.caption == ("Two ", "dogs", " ", "run", ".")
    assert match.marked.tags == ("dog",)
    assert match.marked.ocr == ("", "Dog", " show")


def test_text_cannot_mark_itself(store: Store, search: Search) -> None:
    save(store, pictured("A \x02cat\x03 and a dog\0."))
    (match,) = search.by_words("dog", EVERYTHING, 10).matches
    assert match.marked.caption == ("A  cat  and a ", "dog", " .")


def test_filters_leave_out(store: Store, search: Search) -> None:
    blocked = Moderation(decision="block", rule="gore", reason="r", policy="p@1", scores={})
    first = pictured("A dog.", "dog", minute=1, label="generated")
    second = pictured("A dog.", "dog", "hot dog", minute=2, moderation=blocked)
    save(store, first, second)
    assert found(search, "dog", SearchFilters(verdict="generated")) == [first.id]
    assert found(search, "dog", SearchFilters(decision="block")) == [second.id]
    assert found(search, "dog", SearchFilters(tag="hot dog")) == [second.id]
    assert found(search, "dog", SearchFilters(tag="hot")) == []
    assert found(search, "dog", SearchFilters(since=START + timedelta(minutes=2))) == [second.id]
    assert found(search, "dog", SearchFilters(until=START + timedelta(minutes=2))) == [first.id]


def test_filters_go_by_what_holds_now(store: Store, search: Search) -> None:
    one = pictured("A dog.", label="generated")
    save(store, one)
    with writing(store.database) as connection:
        connection.execute(update(analyses).values(verdict="no_ai_found"))
    assert found(search, "dog", SearchFilters(verdict="generated")) == []
    assert found(search, "dog", SearchFilters(verdict="no_ai_found")) == [one.id]


def test_pages_neither_repeat_nor_leave_out_while_pictures_come(store: Store, search: Search) -> None:
    ids = set(save(store, *(pictured(f"A dog, number {number}.") for number in range(7))))
    page = search.by_words("dog", EVERYTHING, 3)
    seen = [match.report.id for match in page.matches]
    while page.following:
        save(store, pictured("A dog dog dog."))
        page = search.by_words("dog", EVERYTHING, 3, page.following)
        seen += [match.report.id for match in page.matches]
    assert len(seen) == 7
    assert set(seen) == ids


def test_a_page_after_the_last_is_empty(store: Store, search: Search) -> None:
    save(store, pictured("A dog."))
    assert search.by_words("dog", EVERYTHING, 3, Place(5, 1)).matches == ()


def test_what_is_deleted_is_found_no_more_and_leaves_no_words(store: Store, search: Search) -> None:
    first, second = pictured("A dog.", "dog"), pictured("A dog.", "dog")
    save(store, first, second, embedding=one_hot(1))
    assert len(search.by_embedding(one_hot(1), EVERYTHING, 5)) == 2
    with writing(store.database) as connection:
        erase(connection, store.objects, first.id, "asked for")
    assert found(search, "dog") == [second.id]
    assert [alike.report.id for alike in search.by_embedding(one_hot(1), EVERYTHING, 5)] == [second.id]
    with store.database.connect() as connection:
        for table in ("search_words", "search_entries", "search_tags"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 1


def test_words_and_report_come_together_or_not_at_all(store: Store, search: Search) -> None:
    twice = pictured("A dog.")
    save(store, twice)
    with pytest.raises(NotFound), writing(store.database) as connection:
        set_answered(connection, pictured("A dog that nobody accepted."), None)
    assert found(search, "dog") == [twice.id]


def test_in_a_large_index_common_words_choose_together(store: Store) -> None:
    men = [pictured("A man in a shirt.", minute=number) for number in range(8)]
    red = pictured("A man in a red shirt.")
    rare = pictured("An accordion.")
    save(store, *men, red, rare)
    small = Search(store.database, most_ranked=4)
    with store.database.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ANALYZE"))
    assert found(small, "a man in a red shirt")[0] == red.id
    assert rare.id in found(small, "a man and an accordion in a shirt")
    assert len(found(small, "man")) == 4


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(words=st.text(max_size=300) | st.text(alphabet="\"'()*:^-+&|!<> \0\\ANDORNEARdog{}%_;,", max_size=80))
def test_nothing_typed_is_a_mistake(words: str, store: Store, search: Search) -> None:
    search.by_words(words, EVERYTHING, 5)


def test_a_very_long_query_is_cut(store: Store, search: Search) -> None:
    save(store, pictured("A dog."))
    assert len(found(search, "dog " + "x" * 100_000 + " y z " * 50_000)) == 1


def one_hot(place: int, beside: float = 0.0) -> NDArray[np.float32]:
    vector = np.zeros(512, np.float32)
    vector[place], vector[0] = 1, beside
    return vector


def test_similar_pictures_come_by_their_cosine(store: Store, search: Search) -> None:
    one, near, far = (pictured("A dog.") for _ in range(3))
    for each, beside in ((one, 0.0), (near, 0.1), (far, 2.0)):
        save(store, each, embedding=one_hot(1, beside))
    save(store, pictured("Without."))
    alike = search.similar_to(one.id, EVERYTHING, 5)
    assert [each.report.id for each in alike] == [near.id, far.id]
    assert [each.cosine for each in alike] == pytest.approx([1 / 1.01**0.5, 1 / 5**0.5], abs=1e-3)


def test_similar_pictures_of_other_processes_and_filters_count_at_once(store: Store, search: Search) -> None:
    ids = [save(store, pictured("A dog.", label="unsure"), embedding=one_hot(2, 0.01 * number))[0] for number in range(90)]
    assert len(search.similar_to(ids[0], EVERYTHING, 5)) == 5
    new = pictured("A dog.", label="generated")
    save(store, new, embedding=one_hot(3))
    assert [each.report.id for each in search.similar_to(ids[0], SearchFilters(verdict="generated"), 5)] == [new.id]


@pytest.mark.parametrize("small", [0, 1000])
def test_however_few_a_filter_lets_through_the_nearest_of_them_are_found(tmp_path: Path, small: int) -> None:
    """With `small` 0 as in an index of a million: of the best ones first, then of more, then of all."""
    store = Store.open(tmp_path)
    draw = np.random.default_rng(0)
    embeddings = draw.normal(size=(1800, 512)).astype(np.float32)
    embeddings[:, 0] = np.linspace(60, 0, 1800)  # in the order of their likeness
    labels = ["generated" if number % 12 == 0 else "captured" for number in range(1800)]
    labels[900] = labels[1790] = labels[1791] = "unsure"
    reports = [report(label=label) for label in labels]
    with writing(store.database) as connection:
        for each, embedding in zip(reports, embeddings, strict=True):
            add_accepted(connection, Arrival(each.id, START, "0" * 64))
            set_answered(connection, each, embedding)
    asked = np.zeros(512, np.float32)
    asked[0] = 1
    cosines = embeddings[:, 0] / np.linalg.norm(embeddings, axis=1)
    for verdict, count in (("captured", 5), ("generated", 40), ("unsure", 5)):
        wanted = [number for number in np.argsort(-cosines).tolist() if labels[number] == verdict][:count]
        with store.database.connect() as connection:
            found = Similar(small).best(connection, asked, [analyses.c.verdict == verdict], count)
        assert [place - 1 for place, _ in found] == wanted
    store.close()


def test_where_the_nearest_were_deleted_others_are_found(store: Store) -> None:
    similar = Similar()
    for number in range(90):
        save(store, pictured("A dog."), embedding=one_hot(1, 0.01 * number))
    with store.database.connect() as connection:
        assert len(similar.best(connection, one_hot(1), [], 5)) == 5
    with writing(store.database) as connection:
        connection.execute(text("DELETE FROM search_entries WHERE place <= 85"))
    with store.database.connect() as connection:
        assert [place for place, _ in similar.best(connection, one_hot(1), [], 5)] == [86, 87, 88, 89, 90]


def test_late_commits_and_deletions_reach_the_vectors(store: Store, search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    save(store, *(pictured("A dog.") for _ in range(3)), embedding=one_hot(1))
    search.by_embedding(one_hot(1), EVERYTHING, 5)
    with writing(store.database) as connection:
        connection.execute(text("DELETE FROM search_entries WHERE place = 2"))
    held = search._similar
    held._compared_s -= 10_000
    held._vectors.keep_only(np.array([2, 3]))
    search.by_embedding(one_hot(1), EVERYTHING, 5)
    assert sorted(held._vectors.places.tolist()) == [1, 3]


def test_an_analysis_without_embedding_is_not_found(store: Store, search: Search) -> None:
    save(store, one := pictured("A dog."))
    with pytest.raises(NotFound, match="no embedding"):
        search.similar_to(one.id, EVERYTHING, 5)
