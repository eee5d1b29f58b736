"""The report as plain text: what a mail does to it must not spoil it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable

import pytest
from synthetic_report import quick_set, write_report

from flushwalk import report
from flushwalk.document import Bullets, Command, Numbers, Paragraph, Section
from flushwalk.figures.base import Table
from flushwalk.mail import WIDTH, mail, text_table


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_report(tmp_path_factory.mktemp("reports") / "quick", *quick_set())
    mailed = report.mail_of(folder)
    assert [path.name for path in folder.iterdir() if path.name not in (
        "measurements.csv", "machine.json")] == []
    return mailed


def test_no_line_is_too_long_for_a_mail_and_none_is_markup(text: str) -> None:
    for line in text.splitlines():
        one_word = " " not in line.strip().removesuffix(" \\")
        assert len(line) <= WIDTH or one_word, line
        assert line == line.rstrip() and "\t" not in line and not line.startswith(("|", "#", "!["))
    assert WIDTH <= 78


def test_no_number_is_parted_from_its_unit(text: str) -> None:
    assert re.findall(r"\d\n +(?:%|[num]?s\b)|\d\n(?:%|[num]?s\b)", text) == []
    assert re.search(r"\d (?:%|us)\n", text)


def test_it_begins_with_the_answer_and_has_the_sections_of_the_page(text: str) -> None:
    assert text.index("Is patch 1") < 400
    heads = re.findall(r"^(.+)\n-+\n\n", text, flags=re.MULTILINE)
    assert heads[:3] == ["The answer", "Walk cost", "Walk and shootdown"]
    assert heads[-1] == "The command that repeats it" and len(heads) > 12


def test_a_figures_table_stands_in_its_place(text: str) -> None:
    assert re.search(r"^ *4,096 +50 % +2,048 +4,096 +\d", text, flags=re.MULTILINE)
    assert "data: figures/walk-cost.csv" in text.replace("\n", " ")


def test_a_table_keeps_its_columns_and_its_words_whole() -> None:
    table = Table(("walk", "time (p10-p90)", "where it was the worst of all"), (
        ("free list", "13.1 us (13.0-13.4)", "4,096 blocks, 50 % full, 10 % dirty, 1 queue"),
        ("xarray", "1 ms", "-")), words=1)
    lines = text_table(table, 50).splitlines()
    assert max(map(len, lines)) <= 50
    rule = next(line for line in lines if line.startswith("-"))
    starts = [match.start() for match in re.finditer("-+", rule)]
    for line in lines:
        assert all(line[at - 1:at] in ("", " ") for at in starts)
    whole = " ".join(" ".join(lines).split())
    for words in ("13.1 us", "50 %", "10 %", "(13.0-13.4)"):
        assert words in whole


def test_a_table_that_is_too_wide_is_cut_and_each_part_names_its_rows() -> None:
    headers = ("name", *(f"column_{number}_of_many" for number in range(8)))
    table = Table(headers, tuple((f"row{row}", *(f"{row}{column}" * 4 for column in range(8)))
                                 for row in range(3)), words=1)
    parts = text_table(table).split("\n\n")
    assert len(parts) > 1 and all(max(map(len, part.splitlines())) <= WIDTH for part in parts)
    for part in parts:
        assert [line.split()[0] for line in part.splitlines()] == [
            "name", "----", "row0", "row1", "row2"]
    found = [word for part in parts for word in part.splitlines()[0].split()[1:]]
    assert found == list(headers[1:])


def test_a_shell_reads_a_wrapped_command_as_it_was() -> None:
    command = "bench --out='a folder' " + " ".join(f"--flag{number}=value" for number in range(12))
    lines = mail("T", "s", [Section("x", "X", (Command(command),))]).split("\n\n")[-1].splitlines()
    assert len(lines) > 1 and all(line.endswith(" \\") for line in lines[:-1])
    joined = " ".join(line.rstrip(" \\").strip() for line in lines)
    assert joined == command


def test_long_tables_stay_in_the_report() -> None:
    table = Table(("n",), tuple((str(number),) for number in range(9)))
    section = Section("x", "X", (Numbers("Folded", table, folded=True), Numbers("Open", table),
                                 Bullets(("one " * 30,)), Paragraph("end")))
    said = mail("T", "s", [section])
    assert "Folded: in report.md" in said and "Open:\n\nn\n-\n0\n1\n" in said
    assert re.search(r"^- one.*\n  one", said, flags=re.MULTILINE)


def test_the_program_prints_it(make_report: Callable[..., Path],
                               capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_report()
    assert report.main(["--mail", str(folder)]) == 0
    assert capsys.readouterr().out.startswith("flushwalk: run\n==============\n")
    assert not (folder / "report.md").exists()
