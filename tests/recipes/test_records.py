"""Changed records are detected, only equal protocols are compared, the page is up to date."""

import json
import os
import re

import keras
import pytest
from record_files import write

from benchmarks import results_page
from zoo.errors import UsageError
from zoo.recipes import environment, records
from zoo.recipes.record_text import (
    compare_to_reference,
    format_reference,
    format_uncertainty,
    format_value,
)
from zoo.recipes.records import RecordError

SPEED = {
    "kind": "speed",
    "protocol": "seconds of this and that",
    "settings": {"batch_size": 63},
    "results": {"vae": {"zoo": {"ratio": 1.5, "ratio_range": [1, 2], "ms_per_step": 7}}},
}
STYLE = {
    "kind": "style_transfer",
    "protocol": "pairs at some size",
    "settings": {"network": "vgg.h5"},
    "results": {
        "cat x wave": {"lbfgs": {"loss": 7.25, "step": 300, "evaluations": 320, "seconds": 90.0}}
    },
}
SENSITIVITY = {
    "kind": "metric_sensitivity",
    "protocol": "altered against real",
    "results": {
        "x-classifier-v1": {"blurred": {"frechet": 0.0861, "precision": 0.8, "recall": 0.9}}
    },
}


def test_a_record_is_read_as_it_was_written(tmp_path):
    written = write(tmp_path, nothing=float("nan"))
    read = records.read(tmp_path / "vae.some.paper.json")
    assert read == written and read.path == written.path and read["nothing"] is None
    assert records.values(read, "iwae_5").tolist() == [1, 2, 3, 6]
    assert write(tmp_path)["values"] == written["values"]  # the same bytes
    assert records.read_all(tmp_path) == [records.read(written.path)]


def test_an_edited_record_is_found(tmp_path):
    path = write(tmp_path).path
    path.write_text(path.read_text().replace('"value": 3.0', '"value": 2.0'))
    with pytest.raises(RecordError, match="changed after it was written.*zoo reproduce"):
        records.read(path)


def signed(**content):
    """A record whose digest is right, as text."""
    return json.dumps(content | {"digest": records.digest(content)})


@pytest.mark.parametrize(
    "text",
    (
        *("", "[]", "{}", "null", "5", '"speed"', "[" * 100_000, "\x00", "\udcff\udcfe"),
        '{"kind": "speed", "digest": 1, "values": 3}',
        '{"kind": "speed", "digest": "1", "number": NaN}',
        '{"kind": ["speed"], "digest": "1"}',
        *(signed(kind="speed", values=one) for one in (3, "a", [1], {"file": 1, "sha256": 2})),
        signed(kind="speed", values={"file": "../a.npz", "sha256": "0"}),
        signed(kind="speed", values={"file": "a.npz"}),
    ),
)
def test_an_invalid_record_is_rejected(tmp_path, text):
    (tmp_path / "a.json").write_text(text, errors="surrogateescape")
    for read in (lambda: records.read_all(tmp_path), lambda: records.read(tmp_path / "a.json")):
        with pytest.raises(
            RecordError, match="a.json is damaged or not a record|was changed"
        ) as found:
            read()
        assert len(str(found.value)) < 500 and "\n" not in str(found.value)


def test_records_without_numbers_are_not_compared(tmp_path):
    record = records.write(tmp_path / "speed.json", SPEED)
    with pytest.raises(UsageError, match="unknown metric of speed 'iwae_5'"):
        records.compare(record, record, "iwae_5")
    with pytest.raises(UsageError, match="only numbers of one protocol"):
        records.rank([record], "iwae_5")
    with pytest.raises(RecordError, match="has no values of iwae_5"):
        records.values(record, "iwae_5")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", (False, True))
@pytest.mark.parametrize("rename", range(3))
def test_a_record_that_is_killed_while_it_is_replaced_leaves_a_whole_one(
    tmp_path, monkeypatch, rename, after
):
    old, replace, renames = write(tmp_path), os.replace, []

    def killed(*paths):
        renames.append(paths)
        if len(renames) <= rename or after:
            replace(*paths)
        if len(renames) > rename:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(Killed):
            write(tmp_path, values=[9.0, 8.0])
    found = records.values(records.read(old.path), "iwae_5").tolist()
    assert found == ([1, 2, 3, 6] if (rename, after) < (1, True) else [9, 8])
    new = write(tmp_path, values=[7.0, 5.0])
    assert records.read(old.path) == new
    names = sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".tmp")
    assert names == ["vae.some.paper.json", "vae.some.paper.npz"]


def test_a_record_is_read_while_another_process_replaces_it(tmp_path, monkeypatch):
    old, sha256 = write(tmp_path), records.sha256

    def replacing(raw):
        monkeypatch.setattr(records, "sha256", sha256)
        write(tmp_path, values=[9.0, 8.0])  # between the old record and its values
        return sha256(b"")

    _read = records._read

    def read_then_replace(path):
        found = _read(path)
        monkeypatch.setattr(records, "sha256", replacing)
        monkeypatch.setattr(records, "_read", _read)
        return found

    monkeypatch.setattr(records, "_read", read_then_replace)
    assert records.values(records.read(old.path), "iwae_5").tolist() == [9, 8]


def test_damaged_or_missing_values_are_found(tmp_path):
    record = write(tmp_path)
    file = record.path.with_suffix(".npz")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"?")
    with pytest.raises(RecordError, match="npz is damaged.*checksum"):
        records.read(record.path)
    file.unlink()
    with pytest.raises(RecordError, match="is missing or cannot"):
        records.read(record.path)
    with pytest.raises(RecordError, match="has no values of iwae_5"):
        records.values(record, "iwae_5")


def test_a_record_has_a_kind(tmp_path):
    with pytest.raises(UsageError, match="got 'poem'"):
        records.write(tmp_path / "a.json", {"kind": "poem"})


def test_only_numbers_of_one_protocol_have_a_rank(tmp_path):
    worse, better = write(tmp_path, "a.x", [4.0, 5.0]), write(tmp_path, "b.x", [2.0, 3.0])
    other = write(tmp_path, "c.x", protocol="other; IWAE-5")
    assert records.rank([worse, better], "iwae_5") == [better, worse]
    with pytest.raises(UsageError, match="only numbers of one protocol.*c.x.*other; IWAE-5"):
        records.rank([worse, better, other], "iwae_5")
    with pytest.raises(UsageError, match="b.x.paper: None"):
        records.rank([worse, better], "fid")


def test_numbers_of_other_networks_have_no_rank(tmp_path):
    found = []
    for name, extractor in (("a.x", "classifier-v1 sha256:aa"), ("b.x", "classifier-v1 sha256:bb")):
        record = write(tmp_path, name)
        record["metrics"]["iwae_5"]["extractor"] = extractor
        found.append(record)
    assert records.rank(found[:1], "iwae_5") == found[:1]
    with pytest.raises(UsageError, match=r"b.x.paper: some; IWAE-5 \(classifier-v1 sha256:bb\)"):
        records.rank(found, "iwae_5")


def test_a_number_is_written_with_its_floor_and_with_what_is_missing():
    number = {"value": 3.14159265}
    assert format_value(number) == "3.1416" and format_uncertainty(number) == ""
    number["floor"] = 0.5
    assert format_value(number) == "3.1416 (floor 0.5)"
    assert format_value(number | {"dropped": [1, 7]}) == "3.1416 (floor 0.5; never 1, 7)"
    assert format_uncertainty(number | {"error": 0.5}) == "± 0.98"


def test_differences_are_made_image_by_image(tmp_path):
    a, b = write(tmp_path, "a.x", [2.0, 3.0, 5.0]), write(tmp_path, "b.x", [1.0, 2.0, 3.5])
    found = records.compare(a, b, "iwae_5")
    assert found.difference == pytest.approx(7 / 6) and found.n == 3
    assert found.interval[0] < found.difference < found.interval[1]
    c = write(tmp_path, "c.x", [1.0, 2.0, 3.0], images="other")
    with pytest.raises(UsageError, match="different test sets"):
        records.compare(a, c, "iwae_5")
    with pytest.raises(UsageError, match="unknown metric of a.x.paper 'fid'"):
        records.compare(a, b, "fid")


def test_a_record_is_compared_to_a_published_result_only_under_its_protocol(tmp_path):
    record = write(tmp_path)  # 2 to 4
    reference = {"value": 3.5, "protocol": "some; IWAE-5", "note": "", "source": "s"}
    reference["plus_minus"] = 0.0
    for value, verdict in ((3.5, "WITHIN INTERVAL"), (1.0, "BELOW REFERENCE"), (5.0, "BETTER")):
        assert compare_to_reference(record, reference | {"value": value}) == verdict
    assert compare_to_reference(record, reference | {"protocol": "other"}) == "OTHER PROTOCOL"
    changes = {"protocol": "other", "note": "on all images", "plus_minus": 0.1}
    assert format_reference(record, reference | changes) == (
        "OTHER PROTOCOL: published 3.5 ± 0.1 (on all images), s"
    )
    assert format_reference(record, None).startswith("NO REFERENCE")


def test_the_environment(monkeypatch, tmp_path):
    facts = environment.environment()
    assert facts["versions"]["keras"] == keras.__version__ and facts["device"]["cpu"]
    monkeypatch.setattr(environment, "REPOSITORY", tmp_path)
    assert environment.environment()["commit"] is None


# The page.


ONE_CORE = 1.5  # times the minutes of two cores, see docs/reproducing.md


def test_a_budget_takes_no_longer_than_its_name_says():
    for record in records.read_all(results_page.ROOT / records.RESULTS):
        if record["kind"] == "reproduction":
            named = re.fullmatch(r"cpu-(hour|\d+)(-minutes)?", record["budget"])
            limit = 60 if named[1] == "hour" else int(named[1])
            if record["device"]["cores"] == 1:
                limit *= ONE_CORE
            assert record["train_seconds"] <= 60 * limit, record.path.name


def test_the_page_is_generated_from_the_records():
    page = results_page.render(records.read_all(results_page.ROOT / records.RESULTS))
    assert results_page.PAGE.read_text() == page, (
        "docs/results.md is stale: python -m benchmarks.results_page"
    )


def test_a_page_without_records_states_it():
    assert "There are no records yet." in results_page.render([])


def test_the_page_ranks_marks_and_compares(tmp_path):
    base = [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    noise = [0.1, -0.1, 0.1, -0.1, 0.1, -0.1]
    write(tmp_path, "vae.x", base)
    write(tmp_path, "vamp_vae.x", [b - 1 + n for b, n in zip(base, noise, strict=True)])
    write(tmp_path, "flow_vae.x", [b + 1 + n for b, n in zip(base, noise, strict=True)])
    write(tmp_path, "mmd_vae.x", [b + n + 0.01 for b, n in zip(base, noise, strict=True)])
    write(tmp_path, "vae.x", base, budget="smoke", protocol="other; IWAE-5", commit="abc-dirty")
    records.write(tmp_path / "speed.json", SPEED | environment.environment())
    records.write(tmp_path / "style_transfer.json", STYLE | environment.environment())
    records.write(tmp_path / "metric_sensitivity.json", SENSITIVITY | environment.environment())
    page = results_page.render(records.read_all(tmp_path))
    assert "Never edit it by hand" in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows[1:5]] == [
        "vamp_vae.x",
        "vae.x",
        "mmd_vae.x",
        "flow_vae.x",
    ]
    assert "(only shows that it runs; made with uncommitted code)" in rows[0]
    assert {row.split("`")[1]: row.split("|")[-2].strip() for row in rows[5:]} == {
        "flow_vae.x": "worse",
        "mmd_vae.x": "no difference shown",
        "vamp_vae.x": "better",
    }
    assert (
        page.index("Protocol: other; IWAE-5")
        < page.index("Protocol: some; IWAE-5")
        < page.index("## Speed")
    )
    assert "| zoo | 1.50 | 1.00 to 2.00 |" in page
    assert "| cat x wave | lbfgs | 7.25 | 300 steps | 320 | 1.5 |" in page
    assert "| blurred | `x-classifier-v1` | 0.0861 | 0.8 | 0.9 |" in page


def test_a_stale_page_fails_the_check(tmp_path, monkeypatch):
    monkeypatch.setattr(results_page, "ROOT", tmp_path)
    monkeypatch.setattr(results_page, "PAGE", tmp_path / "results.md")
    with pytest.raises(SystemExit, match="results.md differs from the records"):
        results_page.main(["--check"])
    results_page.main([])
    results_page.main(["--check"])
    (tmp_path / records.RESULTS).mkdir(parents=True)
    write(tmp_path / records.RESULTS)
    with pytest.raises(SystemExit, match="differs from the records"):
        results_page.main(["--check"])
