"""Both labels show the same kinds of scenes; only their files differ: AI pictures are square PNG, real ones wide JPEG."""

import numpy as np
import pytest

from pellucid.base.errors import LeakError
from pellucid.ingest.checks import check
from pellucid.ingest.facts import facts_of
from pellucid.ingest.guard import measure, require, sampling_weights
from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import Dataset
from tests.ingest.made import EVEN, fill, guard, sample

SPEC = ViewSpec(side_px=64, encoder_px=48)
SOURCES, EACH = 8, 12


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    samples = []
    for number in range(SOURCES):
        fill(folder / f"s{number}", "ai", EACH, 1000 * number, (72, 72), "PNG")
        fill(folder / f"s{number}", "real", EACH, 1000 * number + 500, (108, 72), "JPEG", quality=97, subsampling=0)
        for path in sorted((folder / f"s{number}").glob("*/*.*")):
            name, label = path.relative_to(folder).as_posix(), path.parent.name
            samples.append(
                sample(name, label=label, path=name, source=f"{label}{number}", generator="made" if label == "ai" else None)
            )
    return Dataset(tuple(samples), {"pictures": str(folder)})


def report_of(data, chain):
    checks = [check(data.file(one)) for one in data.samples]
    return measure(data.samples, facts_of(data, data.samples, checks, chain, SPEC, 2), guard(chain))


def test_passes_what_went_through_the_chain(data):
    report = report_of(data, "equalised")
    require(report)
    assert report.leaks == []
    assert report.findings["aspect"].auc == report.findings["format"].auc == 0.5
    assert (report.ai, report.real, report.sources) == (96, 96, 16)


def test_refuses_squashing_and_says_what_leaks(data):
    with pytest.raises(LeakError, match=r"after 'squash': aspect \(AUC 1.00\).*cut squares instead of squashing"):
        require(report_of(data, "squash"))


def test_refuses_files_as_they_came(data):
    report = report_of(data, "none")
    assert {"aspect", "format", "size", "compression", "all"} <= set(report.leaks)
    with pytest.raises(LeakError, match=r"equalise both labels by one chain"):
        require(report)


def test_does_not_refuse_a_fact_that_tells_nothing():
    draw = np.random.default_rng(0)
    samples = [sample(str(n), label=("ai", "real")[n % 2], source=f"{n % 2}-{n % 10}") for n in range(200)]
    report = measure(samples, draw.normal(size=(200, 7)).astype(np.float32), guard())
    assert report.leaks == []
    assert abs(report.findings["all"].known - 0.5) < 0.15


def test_content_is_reported_and_never_refused():
    samples = [sample(str(n), label=("ai", "real")[n % 2], source=f"{n % 2}-{n % 10}") for n in range(200)]
    shown = np.zeros((200, 20), dtype=np.float32)
    shown[::2, 0] = 1
    report = measure(samples, np.ones((200, 7), dtype=np.float32), guard(), shown)
    assert report.control.auc == 1.0
    require(report)


def test_weighs_as_training_does():
    samples = [sample(str(n), source="big") for n in range(90)] + [sample(f"s{n}", source="small") for n in range(10)]
    samples += [sample(f"a{n}", label="ai", generator="g") for n in range(25)]
    weights = sampling_weights(samples, EVEN)
    assert weights[:100].sum() == pytest.approx(weights[100:].sum())
    assert weights[0] / weights[95] == pytest.approx((90 / 10) ** -0.5)


def test_evens_labels_within_a_domain_up_to_the_limit():
    faces = [sample(f"f{n}", domain="face", source=f"f{n}") for n in range(2)]
    faces += [sample(f"g{n}", label="ai", domain="face", generator=f"g{n}") for n in range(8)]
    art = [sample(f"a{n}", domain="art", source=f"a{n}") for n in range(8)]
    art += [sample(f"b{n}", label="ai", domain="art", generator=f"b{n}") for n in range(2)]
    weights = sampling_weights([*faces, *art], EVEN)
    assert weights[:2].sum() == pytest.approx(weights[2:10].sum())
