"""Whether walk and shootdown add up: the sum against the whole, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_report import Plan, write_report

from flushwalk import document, part_measures
from flushwalk.results import Results, load
from flushwalk.sections import Context, walk_and_shootdown


def run_of(path: Path, sum_of_parts: float | None) -> Results:
    return load([write_report(path, Plan(
        blocks=(64, 1024), full=(50,), shootdowns=("mprotect_range",), responders=(0, 1),
        repetitions=12, parts_alone=sum_of_parts))])


def words_of(results: Results) -> str:
    return document.markdown("T", "s", [walk_and_shootdown.build(Context(results, {}))])


@pytest.mark.parametrize("planted, verdict", ((0.97, "faster"), (1.04, "slower")))
def test_a_planted_difference_is_found_in_each_case(tmp_path: Path, planted: float,
                                                    verdict: str) -> None:
    table = part_measures.sums(run_of(tmp_path / "run", planted))
    assert len(table) == 8
    assert table["ratio"].to_numpy() == pytest.approx(planted, abs=2e-3)
    assert set(table["verdict"]) == {verdict}
    assert set(table["pairs"]) == {12}


def test_the_report_says_how_far_the_sum_is_from_the_whole(tmp_path: Path) -> None:
    text = words_of(run_of(tmp_path / "run", 0.97))
    assert "In 8 the parts take less time together than the flush: at most 3.0 % less" in text


def test_a_run_without_them_says_how_to_get_them(tmp_path: Path) -> None:
    assert "--parts-alone" in words_of(run_of(tmp_path / "run", None))
