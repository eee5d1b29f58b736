"""Sections of a run that measured next to nothing: each says which command makes what it lacks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from synthetic_report import Plan, write_report

from flushwalk import report
from flushwalk.document import Answer, Command, Section
from flushwalk.results import load
from flushwalk.sections import Context

# What tells of the run itself, and lacks nothing where nothing was measured.
OF_THE_RUN = {"answer", "validity", "machine", "method", "repeat"}
BENCHES = {"flush_walk_bench", "patch_series_bench", "alloc_free_bench", "xarray_bench",
           "flush_range_bench", "shootdown_bench", "stale_alias", "thread_answers"}


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> list[Section]:
    """Of a run with one row, which is invalid."""
    def spoil(row: dict[str, Any]) -> None:
        row.update(valid="false", invalid_reason="planted")

    folder = write_report(tmp_path_factory.mktemp("reports") / "run", Plan(
        walks=("xarray",), blocks=(64,), full=(0,), shootdowns=("noop",), responders=(0,),
        repetitions=1, change=spoil))
    return report.parts_of(Context(load([folder]), {}))[2]


def test_every_section_says_which_commands_make_it(sections: list[Section]) -> None:
    without = [section.anchor for section in sections if section.anchor not in OF_THE_RUN
               and not any(isinstance(block, Command) for block in section.blocks)]
    assert without == [] and len(sections) > 12


def test_a_command_measures_into_the_folder_and_makes_the_report_anew(
        sections: list[Section]) -> None:
    for section in sections:
        if section.anchor in OF_THE_RUN:
            continue
        for command in (block.text for block in section.blocks if isinstance(block, Command)):
            if re.fullmatch(r"scripts/run --[a-z=]+", command):
                continue  # a run of its own, with a report of its own
            first, second = command.split("\n")
            program = re.match(r"build/release/bin/(\w+) ", first)
            assert program is not None and program[1] in BENCHES, first
            assert re.search(r" (--out=run|> run/\w+\.json)$", first), first
            assert second == "scripts/report run"


def test_the_answer_says_what_it_lacks(sections: list[Section]) -> None:
    (answer,) = (block for block in sections[0].blocks if isinstance(block, Answer))
    assert "This run does not tell" in answer.verdict and "--walk=" in answer.verdict
    assert sum("not measured" in line for line in answer.lines) == 4


def test_no_picture_stands_without_its_sentence() -> None:
    text = (Path(__file__).resolve().parents[2] / "reports/reference/report.md").read_text()
    pictures = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    for part in pictures:
        title, sentence, picture = part.split("\n\n")[:3]
        assert picture.startswith("!["), title
        assert re.search(r"\d", sentence) and sentence.endswith("."), title
    assert len(pictures) == text.count("![") > 8
