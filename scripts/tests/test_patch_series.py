"""What each patch bought: the table, the figure and the sentences say what the rows hold."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Callable

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from synthetic_patch_series import rows_of, write_report

from flushwalk import patch_measures
from flushwalk.document import Bullets, Command
from flushwalk.drawings import collect
from flushwalk.figures import FIGURES, style
from flushwalk.results import Results, load
from flushwalk.sections import Context
from flushwalk.sections.patch_series import build

FIGURE = FIGURES["patch-series"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load([write_report(tmp_path_factory.mktemp("reports") / "series")])


def section_of(results: Results) -> tuple[list[str], list[Any]]:
    blocks = build(Context(results, collect(results, [FIGURE.name]))).blocks
    said = [item for block in blocks if isinstance(block, Bullets) for item in block.items]
    return said, list(blocks)


def test_a_case_for_each_workload_shootdown_and_revision_in_the_order_of_history(
        results: Results) -> None:
    table = patch_measures.cases(results)
    assert len(table) == 5 * 2 * 8
    assert tuple(table["revision"][:8]) == patch_measures.REVISIONS
    assert list(dict.fromkeys(table["workload"]))[0] == "full_blocks"
    assert (table["before"][1:8].tolist()) == list(patch_measures.REVISIONS[:7])
    first = table[table["revision"] == "v6.4"]
    assert (first["before"] == "").all() and (first["pairs"] == 0).all()


def test_the_ratio_is_over_the_revision_before_in_the_same_repetition(results: Results) -> None:
    table = patch_measures.cases(results).set_index(["workload", "shootdown", "revision"])
    p4 = table.loc[("crowded_list", "none", "p4")]
    assert p4["ratio"] == pytest.approx(5 / 21, rel=0.02)
    assert p4["verdict"] == "faster" and p4["pairs"] == 8
    p5 = table.loc[("crowded_list", "none", "p5")]
    assert p5["ratio"] == pytest.approx(1.0, rel=0.02)


def test_a_revision_that_was_not_measured_is_passed_over(tmp_path: Path) -> None:
    found = load([write_report(tmp_path / "r", revisions=("v6.4", "p3"))])
    table = patch_measures.cases(found)
    assert set(table.loc[table["revision"] == "p3", "before"]) == {"v6.4"}


def test_a_time_of_a_workload_that_does_not_flush_is_no_flush_time(results: Results) -> None:
    table = patch_measures.cases(results)
    assert table.loc[table["workload"] == "crowded_list", "flush_ns"].isna().all()
    assert table.loc[table["workload"] != "crowded_list", "flush_ns"].notna().all()
    cells = [row for row in FIGURE.numbers(FIGURE.collect(results)).rows
             if row[0] == "crowded list"]
    assert {row[5] for row in cells} == {"-"}


def test_each_patch_has_a_sentence_with_its_counts(results: Results) -> None:
    said, _ = section_of(results)
    start = {line.split(" ")[0]: line for line in said}
    assert set(start) == {"p1", "p2", "p3", "p4", "p5", "p6"}
    assert "stale pages 16,384 to 0" in start["p1"] and "alone 2" in start["p1"]
    assert "visited blocks 512 to 256" in start["p2"]
    assert "pages flushed 32,672 to 0" in start["p3"] and "faster" in start["p3"]
    assert start["p4"].startswith("p4 (crowded list): block locks 2,048 to 32; ")
    assert "counts differ from p4 in 0 of 5" in start["p5"]
    assert "pages flushed 1,536 to 96" in start["p6"]


def test_p5_is_the_control_of_all_times(tmp_path: Path) -> None:
    def slower(row: dict[str, Any]) -> None:
        if row["revision"] == "p5" and row["workload"] == "full_blocks":
            for name in ("min", "p10", "p50", "p90", "mean"):
                row[name] = float(row[name]) * 1.25

    said, _ = section_of(load([write_report(tmp_path / "r", change=slower)]))
    p5 = next(line for line in said if line.startswith("p5"))
    percent = float(p5.split(" by ")[1].split(" %")[0])
    assert 23 < percent < 27


def test_a_change_of_counts_by_p5_is_told(tmp_path: Path) -> None:
    def one_more(row: dict[str, Any]) -> None:
        if row["revision"] == "p5" and row["workload"] == "full_blocks":
            row["block_locks"] += 1

    said, _ = section_of(load([write_report(tmp_path / "r", change=one_more)]))
    assert any("counts differ from p4 in 1 of 5" in line for line in said)


def test_stale_revisions_are_named_and_drawn_open(results: Results) -> None:
    frame = FIGURE.collect(results)
    assert "v6.4 in full blocks" in FIGURE.sentence(frame)
    drawing = FIGURE.draw(frame, style.WIDE)
    points = [line for line in drawing.axes[0].lines
              if line.get_marker() in ("o", "s") and len(line.get_xdata()) == 1]
    opened = [line for line in points if line.get_markerfacecolor() == style.PAPER]
    assert {float(line.get_xdata()[0]) for line in opened} == {0.0} and len(opened) == 2


def test_invalid_rows_are_in_nothing(tmp_path: Path) -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["workload"] == "crowded_list":
            row.update(valid="false", invalid_reason="3 of 20 rounds did other work")

    found = load([write_report(tmp_path / "r", change=spoil)])
    assert "crowded_list" not in set(FIGURE.collect(found)["workload"])


def test_a_run_without_rows_says_which_command_makes_them(
        make_report: Callable[..., Path]) -> None:
    _, blocks = section_of(load([make_report(repetitions=2)]))
    (command,) = [block for block in blocks if isinstance(block, Command)]
    assert "patch_series_bench --shootdown=none,mprotect_range" in command.text


@pytest.mark.parametrize("layout", [style.WIDE, style.NARROW])
def test_no_two_texts_overlap(results: Results, layout: style.Layout) -> None:
    drawing = FIGURE.draw(FIGURE.collect(results), layout)
    FigureCanvasAgg(drawing).draw()
    renderer = drawing.canvas.get_renderer()
    boxes = [(label, label.get_window_extent(renderer)) for panel in drawing.axes
             for label in [*panel.get_xticklabels(), panel.xaxis.label, panel.yaxis.label,
                           *panel.findobj(Text)[-1:]] if label.get_text()]
    boxes += [(text, text.get_window_extent(renderer)) for text in drawing.texts]
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        if one is not other:
            assert not first.overlaps(second), f"{one.get_text()!r} on {other.get_text()!r}"


def test_there_are_rows() -> None:
    assert sum(1 for _ in rows_of(repetitions=1)) == (4 * 2 + 1) * 2 * 8
