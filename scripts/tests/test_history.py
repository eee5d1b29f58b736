"""The index page over report folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from synthetic_report import MACHINE, Plan, write_report

from flushwalk import history, report
from flushwalk.results import ReportError

SMALL: dict[str, Any] = {"blocks": (64, 4096), "full": (50,), "repetitions": 6}


def machine(created: str, **values: Any) -> dict[str, Any]:
    return {**MACHINE, "created": created, "shootdowns": {"mechanism": "ipi"}, **values}


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four report folders and their index, to be read only: a named one, an emulated one, one
    without rows, one without sense."""
    home = tmp_path_factory.mktemp("reports")
    named = write_report(home / "a b", Plan(machine=machine("2026-01-01T00:00:00Z"), **SMALL))
    (named / "run.json").write_text('{"name": "<quiet>"}')
    (named / "report.html").touch()
    tcg = machine("2026-03-01T00:00:00Z", hypervisor={"vendor": "tcg"})
    (write_report(home / "tcg", Plan(machine=tcg, **SMALL)) / "report.md").touch()
    for name, text in (("rowless", None), ("broken", "nonsense\n")):
        folder = home / name
        folder.mkdir()
        (folder / "machine.json").write_text(json.dumps(machine("2026-02-01T00:00:00Z")))
        if text is not None:
            (folder / "measurements.csv").write_text(text)
    (home / "other").mkdir()
    history.write_index(home)
    return home


def cells(folder: Path) -> dict[str, list[str]]:
    """The table of index.md, by the first cell, in its order."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]]
            for line in (folder / "index.md").read_text().splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows[2:]}


def test_each_run_has_its_line_the_newest_first(indexed: Path) -> None:
    table = cells(indexed)
    assert list(table) == ["[tcg](tcg/report.md)", "broken", "rowless",
                           "[<quiet> (a b)](a%20b/report.html)"]
    assert table["rowless"][-1] == "its rows are not here"
    assert table["broken"][-1].startswith("cannot be read: measurements.csv: columns are missing")
    assert table["broken"][4:-1] == ["-"] * 4
    when, where, kernel, shootdowns, at, ratio, block, shootdown, rows = table[
        "[<quiet> (a b)](a%20b/report.html)"]
    assert (when, kernel) == ("2026-01-01 00:00:00Z", "6.18.5")
    assert where == "Intel(R) Xeon(R) Processor @ 2.10GHz, CPUs 0-1"
    assert shootdowns == "ipi, guest (KVM)"
    assert at == "4,096 blocks, 50 % full, 1 queue"
    # What the rows were made of: 2,048 blocks of 10.4 ns, 4,096 of 24.1 ns, a call of 26.6 us.
    assert 4.4 < float(ratio.split("x")[0]) < 4.9 and ratio.endswith(": slower)")
    assert [float(time.split()[0]) for time in block.split(" / ")] == pytest.approx(
        [10.4, 24.1], rel=0.1)
    assert float(shootdown.split()[0]) == pytest.approx(26.6, rel=0.1)
    assert shootdown.endswith("us (mprotect_range, 1 responder)")
    assert rows.startswith("100 % of ")


def test_an_emulated_run_is_marked_and_names_are_escaped(indexed: Path) -> None:
    page = (indexed / "index.html").read_text()
    assert page.count('class="emulated"') == 1 and page.count("EMULATED") == 1
    assert '<a href="a%20b/report.html">&lt;quiet&gt; (a b)</a>' in page
    assert "4 runs, 1 of them of emulated machines." in page
    assert "<script" not in page and "http" not in page


def test_rows_are_read_once_and_again_when_they_are_others(
    indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Path(shutil.copytree(indexed, tmp_path / "runs"))
    before = cells(runs)
    read: list[str] = []

    def noted(folders: list[Path]) -> Any:
        read.append(folders[0].name)
        raise ReportError("read")

    monkeypatch.setattr(history, "load", noted)
    (runs / "broken" / "measurements.csv").unlink()
    history.write_index(runs)
    assert read == []
    assert {**before, "broken": cells(runs)["broken"]} == cells(runs)
    with (runs / "tcg" / "measurements.csv").open("a") as file:
        file.write("more")
    history.write_index(runs)
    assert read == ["tcg"]


@pytest.mark.parametrize(
    "arguments, said",
    [([], "one REPORT is wanted, or --index"), (["x", "--index", "y"], "one REPORT is wanted"),
     (["--index", "{}/none"], "no such folder"), (["--index", "{}"], "no report folder in it")],
)
def test_bad_input_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    words = [word.format(tmp_path) for word in arguments]
    try:
        status = report.main(words)
    except SystemExit as ended:
        status = ended.code
    err = capsys.readouterr().err
    assert (status, err.count("\n")) == (2, 1) and said in err
    assert not list(tmp_path.iterdir())
