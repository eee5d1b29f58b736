"""Report folders are read: what is whole is kept, what is not is said, what is unusable refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Callable

import pytest

from flushwalk import answer, plot, report
from flushwalk.results import COLUMNS, MEASUREMENTS, STATISTICS, ReportError, load

Make = Callable[..., Path]
SCHEMA = Path(__file__).resolve().parents[2] / "reports" / "SCHEMA.md"


def edit(folder: Path, change: Callable[[str], str]) -> Path:
    """Rewrites measurements.csv, line ends and all."""
    path = folder / MEASUREMENTS
    path.write_bytes(change(path.read_bytes().decode()).encode())
    return folder


def test_every_row_is_read_with_the_name_of_its_report(make_report: Make) -> None:
    folder = make_report(repetitions=3)
    rows = load([folder]).rows
    assert len(rows) == len((folder / MEASUREMENTS).read_text().splitlines()) - 1
    assert set(rows["report"]) == {"run"}
    assert str(rows["blocks"].dtype) == "int64"
    assert rows["valid"].all()


def test_columns_are_those_of_the_schema() -> None:
    table = SCHEMA.read_text().split("## measurements.csv")[1].split("### Rows of")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == COLUMNS


@pytest.mark.parametrize("cut", [1, 2, 3, 40, 200])
def test_a_torn_last_line_is_left_out_and_told(make_report: Make, cut: int) -> None:
    folder = make_report(repetitions=2)
    whole = len(load([folder]).rows)
    results = load([edit(folder, lambda text: text[:-cut])])
    assert len(results.rows) == whole - 1
    assert any("torn" in note for note in results.reports[0].notes)


def test_a_whole_file_has_no_notes(make_report: Make) -> None:
    assert load([make_report()]).reports[0].notes == ()


@pytest.mark.parametrize(("change", "why"), [
    (lambda line: line + ",one more", "fields instead of"),
    (lambda line: line.replace(",ns,", ",us,"), "unit is us"),
    (lambda line: line.replace(",true,", ",maybe,"), "valid is maybe"),
    (lambda line: line.replace(",4096,", ",many,"), "blocks is many, not a number"),
    (lambda line: line.replace(",4096,", ",nan,"), "blocks is nan, not a number"),
    (lambda line: line.replace(",4096,", ",,"), "blocks is empty, not a number"),
])
def test_an_unreadable_line_is_left_out_and_told_by_number(
        make_report: Make, change: Callable[[str], str], why: str) -> None:
    folder = make_report(repetitions=2)
    whole = len(load([folder]).rows)
    lines = (folder / MEASUREMENTS).read_text().split("\n")
    lines[4] = change(lines[4].rstrip("\r"))
    results = load([edit(folder, lambda _: "\n".join(lines))])
    assert len(results.rows) == whole - 1
    (note,) = results.reports[0].notes
    assert "line 5 (" in note and why in note


def test_columns_that_are_not_known_are_extra(make_report: Make) -> None:
    folder = edit(make_report(repetitions=1), lambda text: "".join(
        f"{line},{'colour' if line.startswith('schema') else 'red'}\n"
        for line in text.splitlines()))
    assert set(load([folder]).rows["colour"]) == {"red"}


def test_invalid_rows_are_apart_and_in_no_selection(make_report: Make) -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["repetition"] == 1:
            row.update(valid="false", invalid_reason="responder was not there")

    results = load([make_report(change=spoil, repetitions=3)])
    assert set(results.invalid["repetition"]) == {1}
    assert set(results.invalid["invalid_reason"]) == {"responder was not there"}
    assert set(results.flushes()["repetition"]) == {0, 2}
    assert set(results.stalls()["repetition"]) == {0, 2}
    assert len(results.valid) + len(results.invalid) == len(results.rows)


def test_rows_without_samples_are_in_no_selection(make_report: Make) -> None:
    def empty(row: dict[str, Any]) -> None:
        if row["role"] == "responder" and row["repetition"] == 0:
            row.update({name: "" for name in STATISTICS}, samples=0)

    assert 0 not in set(load([make_report(change=empty)]).stalls()["repetition"])


def test_what_machine_json_lacks_is_unknown(make_report: Make) -> None:
    folder = make_report(machine={"cpu": {"model": None}, "host": "here"})
    machine = load([folder]).reports[0].machine
    assert machine.text("host") == "here"
    assert machine.text("cpu.model") == "unknown"
    assert machine.text("cpu.microcode") == "unknown"
    assert machine.text("host.name.first") == "unknown"


@pytest.mark.parametrize("text", [None, "{", "[1]"])
def test_a_missing_or_broken_machine_json_is_told(make_report: Make, text: str | None) -> None:
    folder = make_report(machine=None)
    if text is not None:
        (folder / "machine.json").write_text(text)
    (found,) = load([folder]).reports
    assert found.machine.text("cpu.model") == "unknown"
    assert len(found.notes) == 1 and "machine.json" in found.notes[0]


def test_lists_of_objects_become_words(make_report: Make) -> None:
    caches = [{"level": 1, "size_kib": 48}, {"level": 2, "size_kib": 2048}]
    machine = load([make_report(machine={"caches": caches})]).reports[0].machine
    assert machine.text("caches") == "level 1, size_kib 48; level 2, size_kib 2048"


def test_a_folder_with_a_run_appended_numbers_the_attempts(make_report: Make) -> None:
    folder = edit(make_report(repetitions=2), lambda text: text + text.split("\n", 1)[1])
    rows = load([folder]).rows
    assert set(rows["attempt"]) == {0, 1}
    assert not rows.duplicated(["case", "repetition", "role", "cpu", "metric", "attempt"]).any()


def test_reports_of_one_name_are_told_apart(make_report: Make) -> None:
    results = load([make_report("a/run"), make_report("b/run"), make_report("c")])
    labels = [one.label for one in results.reports]
    assert len(set(labels)) == 3 and labels[2] == "c" and labels[0].endswith("a/run")
    assert len(results.only(results.reports[1]).rows) == len(results.rows) / 3


def test_a_report_is_called_as_its_run_was_named(make_report: Make) -> None:
    for folder, name in (("a", "quiet"), ("b", None)):
        (make_report(folder) / "run.json").write_text(json.dumps({"name": name}))
    folders = [make_report("a").parent / folder for folder in ("a", "b")]
    assert [one.label for one in load(folders).reports] == ["quiet", "b"]


def _bad_folder(folder: Path, kind: str) -> Path:
    """A folder that cannot be used, made of a good one."""
    if kind == "missing":
        return folder.parent / "missing"
    if kind == "a file":
        return folder / MEASUREMENTS
    header = ",".join(COLUMNS)
    path = folder / MEASUREMENTS
    whole = path.read_bytes().decode()
    path.unlink()
    texts = {
        "empty": "", "header only": header + "\r\n", "torn header": header[:40],
        "column missing": whole.replace("p90,", "ninety,", 1),
        "schema": whole.replace("\r\n1,", "\r\n7,", 2), "all torn": header + "\r\n1,flush",
        "all bad": header + "\r\n1,2\r\n",
    }
    if kind in texts:
        path.write_bytes(texts[kind].encode())
    return folder


@pytest.mark.parametrize(("kind", "why"), [
    ("missing", "no such folder"), ("a file", "not a folder"), ("no csv", "no such file"),
    ("empty", "no rows"), ("header only", "no rows"), ("torn header", "no rows"),
    ("column missing", "columns are missing: p90"), ("schema", "schema_version is 7"),
    ("all torn", "no rows"), ("all bad", "line 2 (2 fields instead of"),
])
@pytest.mark.parametrize("program", [plot.main, report.main, answer.main])
def test_an_unusable_folder_is_one_line_and_exit_2(
        make_report: Make, capsys: pytest.CaptureFixture[str], kind: str, why: str,
        program: Callable[[list[str]], int]) -> None:
    bad = _bad_folder(make_report(repetitions=1), kind)
    assert program([str(bad)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1 and why in printed.err and str(bad) in printed.err


def test_no_folder_is_refused() -> None:
    with pytest.raises(ReportError):
        load([])
