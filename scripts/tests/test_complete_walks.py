"""Complete walks against the list: planted ratios come out, what says nothing is set aside, and
nothing else in a report is disturbed by the rows."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from synthetic_report import Plan, quick_set, write_report
from test_figures import texts_of

from flushwalk import complete_measures, document, report
from flushwalk.answer import answer_lines
from flushwalk.complete_measures import DIRTY_BLOCK, FLUSH
from flushwalk.drawings import collect
from flushwalk.figures import FIGURES, complete_walks, style
from flushwalk.results import load
from flushwalk.sections import Context
from flushwalk.sections import complete_walks as section
from flushwalk.statistics import geometric_mean, way_ratios

WALKS = ("free_list", "xarray", "cursor_scan", "cursor", "marked", "dirty_list")
# ns of a visited block, its lock taken; whatever scans looks at it for a quarter without.
EACH = {"free_list": 10, "xarray": 24, "cursor_scan": 13, "cursor": 12, "marked": 15,
        "dirty_list": 20}
Row = dict[str, Any]


def plans(checks: tuple[str, ...] = ("locked", "lockless"), spread: tuple[str, ...] = (
        "even", "listed"), index: tuple[str, ...] = ("kernel",), descriptors: str = "in_order",
        change: Callable[[Row], None] | None = None, **axes: Any) -> list[Plan]:
    """A plan for each check, spread and keys, whose flushes cost exactly EACH of what they visit;
    every fourth queue makes a visit by the kernel's keys a time dearer."""
    usual: dict[str, Any] = {"walks": WALKS, "blocks": (4096,), "full": (50,), "repetitions": 6}
    usual |= {"shootdowns": ("none",), "responders": (0,), **axes}
    return [Plan(**usual, change=_rewriting(*values, descriptors, change))
            for values in itertools.product(checks, spread, index)]


def _rewriting(check: str, spread: str, index: str, descriptors: str,
               change: Callable[[Row], None] | None) -> Callable[[Row], None]:
    def rewrite(row: Row) -> None:
        blocks, walk = row["blocks"], row["walk"]
        others = blocks - blocks * row["full_percent"] // 100
        listed = others * row["dirty_percent"] // 100
        total = listed if spread == "listed" else blocks * row["dirty_percent"] // 100
        found = listed if walk == "free_list" else total
        visited = {"free_list": others, "marked": total, "dirty_list": total}.get(walk, blocks)
        each = EACH[walk] / (4 if check == "lockless" and visited == blocks else 1)
        if index == "kernel" and walk not in ("free_list", "dirty_list"):
            each *= 1 + row["queues"] // 4
        row.update(check=check, spread=spread, index=index, descriptors=descriptors,
                   visited_blocks=visited, dirty_blocks=found, dirty_blocks_total=total,
                   p50=str(float(visited * each)), case=f"{row['case']}/{check}/{spread}/{index}")
        if change:
            change(row)

    return rewrite


def folder_of(tmp_path: Path, *several: Plan, name: str = "run") -> Path:
    return write_report(tmp_path / name, *several)


def points_of(folder: Path) -> pd.DataFrame:
    return complete_measures.points(load([folder]))


def of_way(table: pd.DataFrame, walk: str, check: str = "locked") -> pd.DataFrame:
    return table[(table["walk"] == walk) & (table["check"] == check)]


def test_ratios_are_of_the_list_of_the_same_load(tmp_path: Path) -> None:
    found = points_of(folder_of(tmp_path, *plans()))
    assert set(found["measure"]) == {FLUSH, DIRTY_BLOCK}
    marked = of_way(found, "marked").set_index("measure")
    assert marked["ratio"][FLUSH] == pytest.approx(204 * 15 / (2048 * 10))
    # Of all blocks 409 are dirty, of the listed ones 204: both find each by its own visits.
    assert marked["ratio"][DIRTY_BLOCK] == pytest.approx(15 / (2048 * 10 / 204))
    cursor = of_way(found, "cursor", "lockless").set_index("measure")
    assert cursor["ratio"][FLUSH] == pytest.approx(4096 * 3 / (2048 * 10))
    assert cursor["ratio"][DIRTY_BLOCK] == pytest.approx(4096 * 3 / 409 / (2048 * 10 / 204))
    assert set(found["pairs"]) == {6} and "free_list" not in set(found["walk"])


def test_the_baseline_is_the_list_with_locks(tmp_path: Path) -> None:
    results = load([folder_of(tmp_path, *plans(spread=("even",), full=(0,)))])
    rows = results.flushes()
    found = way_ratios(rows[rows["walk"] == "free_list"]).set_index("check")["ratio"]
    assert found["locked"] == 1.0 and found["lockless"] == pytest.approx(0.25)
    without = rows[(rows["walk"] != "free_list") | (rows["check"] == "lockless")]
    assert way_ratios(without).empty


def test_where_no_block_is_full_both_things_are_compared(tmp_path: Path) -> None:
    found = points_of(folder_of(tmp_path, *plans(spread=("listed",), full=(0, 90))))
    counts = of_way(found, "marked").groupby("measure")["full_percent"].agg(list).to_dict()
    assert counts == {FLUSH: [0, 90], DIRTY_BLOCK: [0]}


def test_half_a_repetition_is_no_pair(tmp_path: Path) -> None:
    def spoil(row: Row) -> None:
        if row["walk"] == "marked" and row["repetition"] == 2:
            row.update(valid="false", invalid_reason="planted", p50="1e12")

    found = points_of(folder_of(tmp_path, *plans(change=spoil)))
    assert set(of_way(found, "marked")["pairs"]) == {5}
    assert found["ratio"].max() < 1000


def test_means_are_geometric_and_the_worst_is_the_worst(tmp_path: Path) -> None:
    found = points_of(folder_of(tmp_path, *plans(dirty=(10, 100), full=(0, 50), blocks=(4096,))))
    table = complete_measures.summary(found).set_index(["walk", "check"])
    marked = table.loc[("marked", "locked")]
    ratios = [409 * 15 / 40960, 409 * 15 / 40960, 1.5, 1.5, 204 * 15 / 20480, 1.5]
    assert marked["flush_points"] == 6 and marked["dirty_block_points"] == 6
    assert marked["flush_mean"] == pytest.approx(math.exp(np.mean(np.log(ratios))))
    assert marked["mean"] == pytest.approx(
        math.sqrt(marked["flush_mean"] * marked["dirty_block_mean"]))
    kept = complete_measures.kept(complete_measures.by_way(found))
    assert kept.loc[marked["flush_worst"], "ratio"] == pytest.approx(1.5)
    assert kept.loc[marked["flush_worst"], "dirty_percent"] == 100
    assert list(table["mean"]) == sorted(table["mean"])


def test_a_geometric_mean_of_inverse_ratios_is_1() -> None:
    assert geometric_mean([0.25, 4.0]) == pytest.approx(1.0)
    assert math.isnan(geometric_mean([]))


def test_what_says_nothing_is_set_aside(tmp_path: Path) -> None:
    # 9 listed blocks take 90 ns, 10 take 100; of 20 % even full blocks have dirty ones only.
    folder = folder_of(tmp_path, *plans(blocks=(9, 10, 4096), full=(0,), spread=("even",)),
                       *plans(blocks=(4096,), full=(100,), spread=("even",), seed=2))
    found = points_of(folder)
    assert complete_measures.set_aside(found, FLUSH) == (3, {"too short": 1})
    # 9 blocks have no dirty one either.
    assert complete_measures.set_aside(found, DIRTY_BLOCK) == (4, {"nothing found": 2})
    kept = complete_measures.kept(found)
    assert set(kept["blocks"]) == {10, 4096} and set(kept["full_percent"]) == {0}
    text = markdown_of(folder)
    assert "set aside" in text and "the free list finds nothing there" in text


def test_keys_are_compared_over_the_same_loads(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *plans(spread=("listed",)),
                       *plans(spread=("listed",), index=("kernel", "dense"), queues=(64,)))
    table = complete_measures.summary(points_of(folder)).set_index(["walk", "check", "keys"])
    kernel, dense = (table.loc[("cursor", "locked", keys)] for keys in ("kernel", "dense"))
    assert kernel["flush_points"] == dense["flush_points"] == 2  # with one queue they are the same
    assert kernel["flush_mean"] / dense["flush_mean"] == pytest.approx(math.sqrt(17))
    assert [keys for walk, _, keys in table.index if walk == "dirty_list"] == ["any", "any"]
    assert table.loc[("dirty_list", "locked", "any"), "flush_points"] == 2


def test_a_way_that_was_spared_a_load_is_not_the_best(tmp_path: Path) -> None:
    def spare(row: Row) -> None:
        if row["walk"] == "marked" and row["dirty_percent"] == 100:
            row.update(valid="false", invalid_reason="planted")

    folder = folder_of(tmp_path, *plans(dirty=(10, 100), change=spare))
    table = complete_measures.summary(points_of(folder))
    assert table.iloc[0]["walk"] == "marked"
    assert "marked" not in set(complete_measures.judged(table)["walk"])
    assert "measured at fewer loads are in the table, but not judged" in markdown_of(folder)


def markdown_of(folder: Path) -> str:
    results = load([folder])
    built = section.build(Context(results, collect(results, ["complete-walks"])))
    return document.markdown("T", "s", [built])


def test_the_section_names_the_best_way_and_where_the_list_wins(tmp_path: Path) -> None:
    text = markdown_of(folder_of(tmp_path, *plans(dirty=(10, 100), checks=("locked",))))
    assert "The best complete way by the geometric mean of both is marked, locked" in text
    assert "By these means it is as cheap as the list." in text
    assert ("The list still wins against marked, locked, kernel keys in 2 of 4 points (interval "
            "wholly above 1): in 2 both visit as many blocks, and every one is dirty, but a visit "
            "costs it more: finding and clearing the mark shows." in text)
    assert "1.50x (1.50-1.50)" in text
    assert "4,096 blocks, 50 % full, 100 % dirty, 1 queue, spread listed" in text
    assert "15.0 ns (409)" in text  # a visited block of marked, at 10 % dirty
    assert "nan" not in text


def test_the_best_that_is_nowhere_much_dearer_is_named_beside_the_best(tmp_path: Path) -> None:
    def bounded(row: Row) -> None:
        if row["walk"] == "cursor":
            row.update(walk="list_and_full", case=row["case"].replace("cursor", "list_and_full"))
            visited = row["blocks"] - row["blocks"] * row["full_percent"] // 100
            visited += row["dirty_blocks"] - visited * row["dirty_percent"] // 100
            row.update(visited_blocks=visited, p50=str(float(visited * 12)))

    loads: dict[str, Any] = {"dirty": (10, 100), "checks": ("locked",)}
    text = markdown_of(folder_of(tmp_path, *plans(**loads, change=bounded), name="with"))
    assert "The best complete way by the geometric mean of both is marked, locked" in text
    assert ("The best of those that are nowhere more than 1.25 times as dear as the list is list "
            "and full, locked: a flush 1.20x of the list's") in text
    text = markdown_of(folder_of(tmp_path, *plans(**loads), name="without"))
    assert "No complete way is nowhere more than 1.25 times as dear as the list." in text
    text = markdown_of(folder_of(tmp_path, *plans(dirty=(10,), checks=("locked",)), name="low"))
    assert "It is nowhere more than 1.25 times as dear as the list." in text


def test_more_queues_than_blocks_are_told_as_the_cause(tmp_path: Path) -> None:
    text = markdown_of(folder_of(tmp_path, *plans(
        blocks=(64,), queues=(1024,), dirty=(100,), checks=("locked",), spread=("listed",))))
    assert "there are more queues than blocks to visit" in text


def test_a_best_way_that_is_dearer_is_said_to_be(tmp_path: Path) -> None:
    def only_scans(row: Row) -> None:
        if row["walk"] in ("marked", "dirty_list"):
            row.update(valid="false", invalid_reason="planted")

    text = markdown_of(folder_of(tmp_path, *plans(full=(90,), checks=("locked",),
                                                  spread=("listed",), change=only_scans)))
    assert "is cursor, locked, kernel keys: a flush 12.0x" in text.replace("11.99x", "12.0x")
    assert "it is not as cheap as the list" in text
    assert "it visits more blocks than the list does for the same" in text


def test_without_complete_walks_the_section_says_what_measures_them(tmp_path: Path) -> None:
    for several in ([Plan()], plans(change=lambda row: row.update(valid="false"))):
        text = markdown_of(folder_of(tmp_path, *several, name=str(len(several))))
        assert f"build/release/bin/flush_walk_bench {complete_walks.FIGURE.needs} --out=" in text
        assert "best complete way" not in text


def test_other_figures_and_the_answer_do_not_see_these_rows(tmp_path: Path) -> None:
    extra = [*plans(dirty=(1, 100)), *plans(spread=("listed",), index=("kernel", "dense"),
                                            queues=(1, 64), blocks=(64, 4096), repetitions=20),
             *plans(descriptors="shuffled", repetitions=30)]
    alone = load([folder_of(tmp_path, *quick_set(), name="a")])
    both = load([folder_of(tmp_path, *quick_set(), *extra, name="b")])
    for name, drawn in collect(alone, FIGURES).items():
        frame = FIGURES[name].collect(both)
        assert frame.drop(columns="report").equals(drawn.frame.drop(columns="report")), name
    assert answer_lines(alone)[:-1] == answer_lines(both)[:-1]


def test_a_file_from_before_these_axes_reads_as_their_defaults(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, Plan(blocks=(64,)))
    with (folder / "measurements.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    later = ("spread", "descriptors", "index")
    with (folder / "measurements.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name not in later],
                                extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    read = load([folder]).rows
    assert {tuple(row) for row in read[list(later)].to_numpy()} == {("even", "in_order", "kernel")}


def many(tmp_path: Path) -> Path:
    return folder_of(tmp_path, *plans(blocks=(64, 256, 4096, 65536, 1048576),
                                      full=(0, 25, 50, 90, 99), dirty=(1, 10), repetitions=2))


@pytest.mark.parametrize("layout", [style.WIDE, style.NARROW])
@pytest.mark.parametrize("make", [many, lambda path: folder_of(path, *plans(blocks=(64,)))])
def test_no_two_texts_of_the_figure_overlap(tmp_path: Path, make: Callable[[Path], Path],
                                            layout: style.Layout) -> None:
    drawing = complete_walks.draw(points_of(make(tmp_path)), layout)
    FigureCanvasAgg(drawing).draw()
    renderer = drawing.canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts_of(drawing)]
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        assert not first.overlaps(second), f"{one!r} overlaps {other!r}"
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= drawing.bbox.width, f"{text!r} is cut"


def test_the_figure_draws_a_line_for_each_walk_at_its_cheaper_check(tmp_path: Path) -> None:
    frame = points_of(folder_of(tmp_path, *plans(blocks=(64, 4096), full=(0, 50, 90))))
    shown = complete_walks.drawn(frame)
    checks = shown.groupby("walk")["check"].unique().map(list).to_dict()
    assert checks["cursor"] == ["lockless"] and len(checks) == 5
    assert all(len(several) == 1 for several in checks.values())
    panels = complete_walks.draw(frame, style.WIDE).axes
    assert len(panels) == 6 and all(panel.get_yscale() == "log" for panel in panels)
    part = shown[(shown["measure"] == FLUSH) & (shown["full_percent"] == 50)
                 & (shown["walk"] == "marked")]
    line = next(line for line in panels[1].get_lines()
                if line.get_color() == style.walk_colour("marked"))
    assert list(line.get_xdata()) == [64, 4096]
    assert list(line.get_ydata()) == list(part["ratio"])


def test_the_sentence_follows_the_data(tmp_path: Path) -> None:
    sentence = complete_walks.sentence(points_of(folder_of(tmp_path, *plans())))
    assert "marked (locked) 0.149x" in sentence and "20.5 us" in sentence


def test_a_report_of_short_flushes_alone_can_be_written(tmp_path: Path) -> None:
    results = load([folder_of(tmp_path, *plans(blocks=(8,)))])
    drawn = collect(results, FIGURES)
    assert "complete-walks" not in drawn
    parts = report.parts_of(Context(results, drawn))
    assert complete_walks.FIGURE.needs in document.markdown(*parts)
