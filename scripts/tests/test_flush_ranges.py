"""Where the array of ranges beats the hull: the map, its sentences and what they say where something
was not measured."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any, Callable

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from synthetic_ranges import FULL_US, SUITE, rows_of, time_us, write_report
from synthetic_report import MACHINE

from flushwalk import range_measures
from flushwalk.document import Bullets, Command, Numbers
from flushwalk.drawings import collect
from flushwalk.figures import FIGURES, style
from flushwalk.results import Results, load
from flushwalk.sections import Context
from flushwalk.sections.flush_ranges import build

FIGURE = FIGURES["range-crossover"]
Row = dict[str, Any]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load([write_report(tmp_path_factory.mktemp("reports") / "ranges")])


def section_of(results: Results) -> tuple[list[str], list[Any]]:
    blocks = build(Context(results, collect(results, [FIGURE.name]))).blocks
    said = [item for block in blocks if isinstance(block, Bullets) for item in block.items]
    return said, list(blocks)


def made(tmp_path: Path, **plan: Any) -> Results:
    return load([write_report(tmp_path / "r", **plan)])


def test_who_is_cheapest_is_as_the_times_are(results: Results) -> None:
    points = range_measures.points(results)
    assert len(points) == 3 * 4 * 4
    for point in points.itertuples():
        hull, array, full = (time_us(name, point.ranges, point.pages, point.gap_pages)
                             for name in ("hull", "runs", "full"))
        assert point.array_ratio == pytest.approx(array / hull, rel=0.02)
        assert point.full_ratio == pytest.approx(full / hull, rel=0.02)
        expected = ("array" if array < min(hull, full) else
                    "full" if full < min(hull, array) else "hull")
        if full < hull or not math.isclose(array, hull):
            assert point.wins == expected, point
    wins = points[points["wins"] == "array"]
    assert set(zip(wins["ranges"], wins["pages"])) == {(2, 1)}
    assert set(wins["gap_pages"]) == {1024, 255 << 18}


def test_a_cheaper_full_flush_wins(tmp_path: Path) -> None:
    def cheap(row: Row) -> None:
        if row["gather"] == "full":
            row["p50"] = float(row["p50"]) / 10

    points = range_measures.points(made(tmp_path, gaps=("block",), change=cheap))
    assert (points.loc[points["ranges"] > 1, "wins"] == "full").all()


def test_pairs_are_of_one_repetition(tmp_path: Path) -> None:
    def drifting(row: Row) -> None:
        row["p50"] = float(row["p50"]) * 3 ** row["repetition"]

    point = range_measures.points(made(tmp_path, ranges=(16,), pages=(8,), gaps=("block",),
                                       change=drifting)).iloc[0]
    assert point["array_ratio"] == pytest.approx(16 * 41 / FULL_US, rel=0.02)
    assert point["array_low"] > 12 and point["array_verdict"] == "slower"


def test_each_number_of_responders_has_its_own_points(tmp_path: Path) -> None:
    found = made(tmp_path, responders=(0, 1))
    assert list(range_measures.points(found)["responders"].unique()) == [0, 1]
    said, _ = section_of(found)
    assert "with 0 responders the array is cheapest at 2 of" in said[0]
    assert "with 1 responder the array is cheapest at 2 of" in said[0]


def test_the_ceiling_is_the_machines(tmp_path: Path) -> None:
    machine = {**MACHINE, "tlb": {"single_page_flush_ceiling": 8}}
    points = range_measures.points(made(tmp_path, machine=machine))
    assert set(points["ceiling"]) == {8}
    unknown = {**MACHINE, "tlb": {"single_page_flush_ceiling": None}}
    folder = write_report(tmp_path / "unknown", machine=unknown)
    assert set(range_measures.points(load([folder]))["ceiling"]) == {33}


def test_the_map_draws_a_cell_a_point_and_the_ceiling_between_its_pages(results: Results) -> None:
    drawing = FIGURE.draw(FIGURE.collect(results), style.WIDE)
    assert [panel.get_title(loc="left") for panel in drawing.axes] == [
        "1 responder, no gap", "1 responder, gap a block (4 MiB)", "1 responder, gap 255 GiB"]
    panel = drawing.axes[1]
    cells = [patch for patch in panel.patches if isinstance(patch, Rectangle)]
    assert len(cells) == 16
    # Pages 1, 8 and 33 are below the ceiling, 34 above it.
    dashed, steps = panel.lines
    assert set(dashed.get_ydata()) == {2.5}
    # All pages of the array: 33 of 1 range, 8 of 2 and of 4, 1 of 16.
    assert list(steps.get_ydata()[::2]) == [2.5, 1.5, 1.5, 0.5]
    written = {text.get_text() for text in panel.texts}
    assert ".80" in written and "16" in written  # 2 of 1 page: 40/50; 16 of 34: 800/50
    wanted = style.numbered_line(1)["color"]
    (array,) = [cell for cell in cells if style.matplotlib.colors.same_color(
        cell.get_facecolor(), wanted)]
    assert (array.get_x() + 0.5, array.get_y() + 0.5) == (1, 0)


def test_a_point_without_a_pair_is_an_empty_cell(tmp_path: Path) -> None:
    def spoil(row: Row) -> None:
        if row["gather"] == "runs" and row["ranges"] == 16:
            row.update(valid="false", invalid_reason="3 of 160 shootdowns proven")
        if row["gather"] == "runs" and row["ranges"] == 4 and row["repetition"] % 2:
            row.update(valid="false", invalid_reason="3 of 160 shootdowns proven")
        if row["gather"] != "runs" and row["ranges"] == 4 and not row["repetition"] % 2:
            row.update(valid="false", invalid_reason="3 of 160 shootdowns proven")

    frame = FIGURE.collect(made(tmp_path, gaps=("block",), change=spoil))
    assert set(frame.loc[frame["ranges"] == 4, "array_pairs"]) == {0}
    drawing = FIGURE.draw(frame, style.WIDE)
    written = [text.get_text() for text in drawing.axes[0].texts]
    assert len(written) == 2 * 4 and "nan" not in "".join(written)
    assert "no pairs" in {row[-2] for row in FIGURE.numbers(frame).rows}


def test_the_question_is_answered_in_one_sentence(results: Results) -> None:
    answer = section_of(results)[0][0]
    assert answer.startswith("Hull with a gap against array of ranges (shootdown mprotect_range): "
                             "with 1 responder the array is cheapest at 2 of 24 points (2 ranges of "
                             "1 page) and slower than the hull at 22 (2 to 16 ranges of 1 to 34 "
                             "pages), 2 ranges")
    assert "2 ranges of 1 page with 255 GiB between them: 0.8" in answer
    assert "16 of them: 6.4" in answer or "16 of them: 6.3" in answer
    assert "dontneed, 1 call for 16 ranges of 8 pages with 255 GiB between them, took 6" in answer
    assert answer.count(". ") == 0 and answer.endswith(".")


def test_one_shootdown_a_hull_is_counted_at_the_responders(results: Results) -> None:
    said = section_of(results)[0][1]
    # One flush of the first repetition in ten is not exact, of eight repetitions.
    assert "mprotect_range 98.75 % of " in said and "cold_range 98.75 % of 80 flushes" in said


def test_invalid_rows_are_told_beside_the_valid_ones(tmp_path: Path) -> None:
    def spoil(row: Row) -> None:
        if row["repetition"] == 1:
            row.update(valid="false", invalid_reason="x", exact_flushes=5)

    said = section_of(made(tmp_path, change=spoil))[0][1]
    assert "cold_range 98.57 % of 70 flushes (of all rows, invalid ones too, 92.5 % of 80" in said


def test_the_suite_is_compared_with_the_loop_by_hand(results: Results, tmp_path: Path) -> None:
    row = range_measures.by_hand(results).iloc[0]
    assert row["ratio"] == pytest.approx(SUITE, rel=0.01) and row["ranges"] == 64
    assert "0 of 1 lie above 1.03" in section_of(results)[0][2]

    def slower(row: Row) -> None:
        if row["code"] == "suite":
            row["p50"] = float(row["p50"]) * 1.1

    assert "1 of 1 lie above 1.03" in section_of(made(tmp_path, change=slower))[0][2]


def test_what_is_read_again_stands_beside_a_call_that_flushes_nothing(results: Results) -> None:
    said, blocks = section_of(results)
    assert "Reading 1,536 live pages again at the initiator" in said[3]
    assert "us after mprotect_range (hull)" in said[3] and "after noop, a system call" in said[3]
    table = next(block.table for block in blocks if isinstance(block, Numbers))
    assert {row[0] for row in table.rows} == {"initiator", "responder"}
    # Nobody is interrupted by noop.
    assert {row[1] for row in table.rows if row[0] == "responder"} == {"mprotect_range"}


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    said, _ = section_of(made(tmp_path, gaps=("0",), responders=(0,), with_controls=False))
    assert len(said) == 4 and all("not measured" in line for line in said)


def test_a_run_without_rows_says_which_command_makes_them(
        make_report: Callable[..., Path]) -> None:
    _, blocks = section_of(load([make_report(repetitions=2)]))
    (command,) = [block for block in blocks if isinstance(block, Command)]
    assert "flush_range_bench --ranges=1,2,4,16" in command.text


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """As many cells as the full set has."""
    return FIGURE.collect(made(
        tmp_path_factory.mktemp("reports"), ranges=(1, 2, 4, 8, 16, 64, 256, 1024),
        responders=(0, 1), pages=(1, 8, 32, 33, 34, 64, 512), repetitions=6, with_controls=False))


@pytest.mark.parametrize("layout", [style.WIDE, style.NARROW])
def test_no_two_texts_overlap(everything: pd.DataFrame, layout: style.Layout) -> None:
    drawing = FIGURE.draw(everything, layout)
    FigureCanvasAgg(drawing).draw()
    renderer = drawing.canvas.get_renderer()
    for panel in drawing.axes:
        boxes = [(label, label.get_window_extent(renderer)) for label in
                 [*panel.get_xticklabels(), *panel.get_yticklabels(), panel.xaxis.label,
                  panel.yaxis.label, *panel.texts, panel.findobj(Text)[-1]] if label.get_text()]
        for (one, first), (other, second) in itertools.combinations(boxes, 2):
            if one is not other:
                assert not first.overlaps(second), f"{one.get_text()!r} on {other.get_text()!r}"


@pytest.mark.parametrize("pages, words", [
    (0, "no gap"), (1024, "a block (4 MiB)"), (1, "4 KiB"), (512, "2 MiB"), (1 << 18, "1 GiB"),
    (255 << 18, "255 GiB"), (1 << 30, "4 TiB"), (math.nan, "unknown")])
def test_gaps_in_words(pages: float, words: str) -> None:
    assert range_measures.gap_words(pages) == words


def test_there_are_rows() -> None:
    assert sum(1 for _ in rows_of(repetitions=1, with_controls=False)) == 3 * 4 * 4 * 3 * 2
