"""Banks are taken into use whole, matches are kept for good, hashes go with their analysis; on every database."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, select, text

from pellucid.base.errors import NotFound, PictureWithheld
from pellucid.base.ids import new_id
from pellucid.records.bank import BankRule, Entry
from pellucid.records.report import BankMatch, Missing, Report
from pellucid.store.audit import entries as audited
from pellucid.store.bank_matches import MatchFilters, all_logged_matches, logged_matches
from pellucid.store.banks import LEFT_AFTER, all_banks, bank_named, entries_in, import_bank, references_of, remove_bank
from pellucid.store.database import open_database, writing
from pellucid.store.hashes import answers_before, hash_of, hashes_after, pictures_of, same_bytes
from pellucid.store.queue import Job
from pellucid.store.store import Incoming, Store
from pellucid.store.tables import bank_entries
from tests.store.made import report

RULE = BankRule(name="known", action="block", reason="On a list.")
HASHES = [f"{number:064x}" for number in range(1, 4500)]


def entries(*hashes: str) -> list[Entry]:
    return [Entry(pdq=each, reference=f"case-{each[-4:]}", tags="a b") for each in hashes]


def answered(store: Store, data: bytes = b"picture", declared: str | None = None, **image: object) -> Report:
    job = taken(store, data, declared)
    found = report(source="a\0b.png")
    kept = found.image.model_copy(update={"sha256": store.standing(job.id).sha256, **image})
    return settled(store, job, found.model_copy(update={"image": kept}))


def taken(store: Store, data: bytes, declared: str | None = None) -> Job:
    job = store.accept_and_take(Incoming(data, "a\0b.png", declared)).job
    assert job is not None
    return job


def settled(store: Store, job: Job, found: Report) -> Report:
    kept = found.model_copy(update={"id": job.id, "created": job.created.isoformat()})
    store.answer(job, kept, None)
    return kept


def match(action: str = "block", bank: str = "known") -> BankMatch:
    return BankMatch.model_validate(
        {"bank": bank, "action": action, "hash": HASHES[0], "distance": 3, "orientation": "upright", "reference": "case-1"}
    )


def test_an_import_makes_the_bank_and_another_replaces_its_entries(store: Store) -> None:
    first = import_bank(store.database, RULE, entries(*HASHES), "ann")
    assert (first.version, first.entries, first.action, first.bound) == (1, 4499, "block", 31)
    narrow = RULE.model_copy(update={"bound": 20, "action": "review"})
    second = import_bank(store.database, narrow, entries(HASHES[7], HASHES[8]), "ann")
    assert (second.version, second.entries, second.action, second.bound) == (2, 2, "review", 20)
    ((listed),) = all_banks(store.database)
    assert listed.bank == second
    rows = list(entries_in(store.database, listed.list))
    assert [row.pdq.hex() for row in rows] == [HASHES[7], HASHES[8]]
    assert references_of(store.database, [rows[0].number]) == {rows[0].number: f"case-{HASHES[7][-4:]}"}
    with store.database.connect() as connection:
        assert len(connection.execute(select(bank_entries.c.number)).all()) == 2


def test_a_list_is_named_anew_at_every_import_even_where_nothing_else_changed(store: Store) -> None:
    import_bank(store.database, RULE, entries(HASHES[0]), "ann")
    before = bank_named(store.database, "known").list
    remove_bank(store.database, "known", "ann")
    import_bank(store.database, RULE, entries(HASHES[1]), "ann")
    assert bank_named(store.database, "known").list != before


def test_a_removed_bank_leaves_no_entries(store: Store) -> None:
    import_bank(store.database, RULE, entries(*HASHES), "ann")
    remove_bank(store.database, "known", "ann")
    assert all_banks(store.database) == ()
    assert [(each.action, each.actor) for each in audited(store.database)] == [("bank.imported", "ann"), ("bank.removed", "ann")]
    with store.database.connect() as connection:
        assert connection.execute(select(bank_entries.c.number)).first() is None
    with pytest.raises(NotFound):
        remove_bank(store.database, "known", "ann")


def test_what_an_import_left_that_did_not_end_is_swept_after_a_day_and_no_sooner(store: Store) -> None:
    old, fresh = new_id(datetime.now(UTC) - LEFT_AFTER - timedelta(minutes=1)), new_id()
    with writing(store.database) as connection:
        connection.execute(insert(bank_entries), [{"list": name, "pdq": bytes(32)} for name in (old, fresh)])
    import_bank(store.database, RULE, entries(HASHES[0]), "ann")
    with store.database.connect() as connection:
        lists = set(connection.execute(select(bank_entries.c.list)).scalars())
    assert lists == {fresh, bank_named(store.database, "known").list}


def test_others_write_while_a_bank_is_imported(store: Store) -> None:
    importing = threading.Thread(target=import_bank, args=(store.database, RULE, entries(*HASHES), "ann"))
    importing.start()
    for number in range(5):
        answered(store, b"picture %d" % number)
    importing.join(60)
    assert bank_named(store.database, "known").bank.entries == 4499


def test_matches_are_logged_with_the_answer_and_outlive_it(store: Store) -> None:
    given = answered(store, pdq=HASHES[5], pdq_quality=90)
    assert list(all_logged_matches(store.database, MatchFilters())) == []
    job = taken(store, b"other")
    found = given.model_copy(update={"matches": [match(), match("note", "seen")]})
    settled(store, job, found)
    logged = list(all_logged_matches(store.database, MatchFilters()))
    first, second = sorted(logged, key=lambda each: each.match.bank)
    assert (first.analysis, first.match, first.pdq) == (job.id, match(), HASHES[5])
    assert first.source == "a\N{REPLACEMENT CHARACTER}b.png"
    assert [each.match.bank for each in all_logged_matches(store.database, MatchFilters(action="block"))] == ["known"]
    assert [each.match.bank for each in all_logged_matches(store.database, MatchFilters(bank="seen"))] == ["seen"]
    assert second.match == match("note", "seen")
    assert list(all_logged_matches(store.database, MatchFilters(until=first.at))) == []
    assert logged_matches(store.database, MatchFilters(), logged[0].id, 5) == (logged[1],)


def test_hashes_that_say_little_are_not_kept(store: Store) -> None:
    good, flat = answered(store, pdq=HASHES[5], pdq_quality=50), answered(store, pdq=HASHES[6], pdq_quality=49)
    assert hash_of(store.database, good.id) == bytes.fromhex(HASHES[5])
    assert hash_of(store.database, flat.id) is None
    (row,) = hashes_after(store.database, 0)
    assert list(hashes_after(store.database, row.number)) == []
    (picture,) = pictures_of(store.database, [row.number], flat.image.sha256 + "other")
    assert picture.id == good.id
    assert list(pictures_of(store.database, [row.number], good.image.sha256)) == []


def test_a_deleted_picture_leaves_no_hash_and_its_match_stays(store: Store) -> None:
    given = answered(store, pdq=HASHES[5], pdq_quality=90, notes=[])
    job = taken(store, b"other")
    settled(store, job, given.model_copy(update={"matches": [match()]}))
    store.erase(job.id, "on request")
    assert hash_of(store.database, job.id) is None
    assert hash_of(store.database, given.id) is not None
    assert [each.analysis for each in all_logged_matches(store.database, MatchFilters())] == [job.id]


def test_the_number_of_a_deleted_hash_is_given_to_no_other(store: Store) -> None:
    """A process that has read the deleted one would take the new one for it."""
    first = answered(store, pdq=HASHES[5], pdq_quality=90)
    (seen,) = hashes_after(store.database, 0)
    store.erase(first.id, "on request")
    answered(store, b"other", pdq=HASHES[6], pdq_quality=90)
    (row,) = hashes_after(store.database, seen.number)
    assert row.pdq == bytes.fromhex(HASHES[6])


def test_the_bytes_of_a_blocked_picture_are_given_to_nobody(store: Store) -> None:
    job = taken(store, b"other")
    assert store.picture(job.id) == b"other"
    found = report(matches=[match()])
    settled(store, job, found.model_copy(update={"image": found.image.model_copy(update={"pdq": HASHES[0]})}))
    with pytest.raises(PictureWithheld):
        store.picture(job.id)


def test_finds_the_answers_to_the_same_bytes_under_the_same_declaration(store: Store) -> None:
    first, second = answered(store), answered(store)
    other = answered(store, declared="generated")
    answered(store, b"other")
    taken(store, b"picture")
    sha256 = first.image.sha256
    assert [row.id for row in same_bytes(store.database, sha256, 10)] == [other.id, second.id, first.id]
    assert [found.id for found, _ in answers_before(store.database, sha256, None)] == [second.id, first.id]
    assert [found.id for found, _ in answers_before(store.database, sha256, "generated")] == [other.id]


def test_a_missing_part_keeps_whether_it_was_for_the_moment(store: Store) -> None:
    gone = Missing(part="caption", reason="too slow", transient=True)
    kept = settled(store, taken(store, b"picture"), report(missing=[gone]))
    assert store.get(kept.id).missing == [gone]


def test_an_older_database_gets_the_hashes_of_its_reports(database_url: str, tmp_path: Path) -> None:
    """Taken back to the revision before, with reports in it, and brought forward again."""
    store = Store.open(tmp_path, database_url)
    good, flat = answered(store, pdq=HASHES[5], pdq_quality=80), answered(store, pdq=HASHES[6], pdq_quality=3)
    assert json.dumps(flat.image.pdq_quality) == "3"
    with writing(store.database) as connection:
        later = (
            "sessions",
            "accounts",
            "sign_in_failures",
            "search_words",
            "search_tags",
            "search_entries",
            "ruled",
            "rulings",
            "appeals",
            "flags",
        )
        for table in (*later, "hashes", "banks", "bank_entries", "bank_matches"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("DROP INDEX analyses_by_inherits"))
        connection.execute(text("ALTER TABLE analyses DROP COLUMN inherits"))
        connection.execute(text("DROP INDEX analyses_by_picture"))
        connection.execute(text("CREATE INDEX ix_analyses_sha256 ON analyses (sha256)"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    store.close()
    store = Store.open(tmp_path, database_url)
    assert hash_of(store.database, good.id) == bytes.fromhex(HASHES[5])
    assert hash_of(store.database, flat.id) is None
    store.close()
    database = open_database(database_url)
    with database.connect() as connection:
        assert MigrationContext.configure(connection).get_current_heads() == ("0007",)
    database.dispose()
