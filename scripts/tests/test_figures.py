"""Figures: legible, nothing overlaps, what is drawn is what is in the table, nothing invalid."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from matplotlib.text import Text
from synthetic_report import Plan, quick_set, write_report

from flushwalk.drawings import collect
from flushwalk.figures import FIGURES as ALL_FIGURES
from flushwalk.figures import output, style
from flushwalk.results import Results, load

Make = Callable[..., Path]
# Those that the folders of these tests have rows for.
FIGURES = {name: figure for name, figure in ALL_FIGURES.items()
           if figure.bench == "flush_walk_bench"
           and name not in ("complete-walks", "counters-by-walk", "machine")}
LAYOUTS = {"wide": style.WIDE, "phone": style.NARROW,
           "linear": replace(style.NARROW, scale=style.LINEAR)}
SPACE = 3  # pixels of 1/100 inch
HUGE = 9e15  # ns; two and a half thousand hours


def big_machine() -> tuple[Plan, ...]:
    """Many values on every axis."""
    return (
        Plan(blocks=(64, 256, 1024, 4096, 65536, 1048576), full=(0, 25, 50, 75, 90, 99, 100),
             responders=(0,), repetitions=2, shootdowns=("none",)),
        Plan(blocks=(4096,), full=(50,), queues=(2, 4, 8, 64, 256, 1024), responders=(0,),
             repetitions=2, shootdowns=("none",)),
        Plan(blocks=(4096,), full=(50,), responders=(0, 1, 3, 7, 15, 31), repetitions=2,
             shootdowns=("noop", "mprotect_range", "mprotect", "munmap")),
    )


def all_stale(row: dict[str, Any]) -> None:
    """Long numbers above all bars, side by side."""
    row["stale_slots"] = row["dirty_blocks_total"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """Runs of all kinds, read once."""
    root = tmp_path_factory.mktemp("figures")
    long_name = root / "2025-11-22-a-rather-long-host-name-amd-epyc-7003-6.18.5-1-amd64"
    quick = write_report(root / "quick", *quick_set())
    folders = {
        "quick": [quick],
        "many": [write_report(root / "many", *big_machine())],
        "single": [write_report(root / "single", Plan(blocks=(64,), full=(0,), repetitions=1))],
        "slow": [write_report(root / "slow", Plan(blocks=(1048576,), repetitions=2,
                                                  full=(0, 25, 50, 90, 100), change=all_stale))],
        "two": [quick, write_report(long_name, Plan(blocks=(64, 4096), repetitions=5))],
    }
    return {name: load(paths) for name, paths in folders.items()}


def drawn(results: Results, name: str, layout: style.Layout) -> Drawing:
    drawing = FIGURES[name].draw(frame_of(results, name), layout)
    FigureCanvasAgg(drawing).draw()
    return drawing


_frames: dict[tuple[int, str], tuple[Results, pd.DataFrame]] = {}


def frame_of(results: Results, name: str) -> pd.DataFrame:
    """The table of a figure, which all its layouts share. The results are kept: ids are theirs."""
    key = (id(results), name)
    if key not in _frames:
        _frames[key] = (results, ALL_FIGURES[name].collect(results))
    return _frames[key][1]


def texts_of(drawing: Drawing) -> list[Text]:
    """Every text that is drawn. Tick labels beyond the axis are not."""
    undrawn = set(_undrawn_tick_labels(drawing))
    return [text for text in drawing.findobj(Text)
            if text.get_visible() and text.get_text() and text not in undrawn]


def _undrawn_tick_labels(drawing: Drawing) -> Iterator[Text]:
    for panel in drawing.axes:
        for axis in (panel.xaxis, panel.yaxis):
            shown = {id(tick) for tick in axis._update_ticks()}  # those inside the view
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                for number, label in ((1, tick.label1), (2, tick.label2)):
                    is_on = label.get_visible() and (number == 1)
                    if id(tick) not in shown or not is_on:
                        yield label


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("data", ["quick", "many", "single", "slow", "two"])
@pytest.mark.parametrize("name", FIGURES)
def test_no_two_texts_overlap_and_none_is_cut(
        loaded: dict[str, Results], name: str, data: str, layout: str) -> None:
    if data == "two" and FIGURES[name].one_report:
        return  # scripts/plot refuses it
    assert_texts_are_apart(drawn(loaded[data], name, LAYOUTS[layout]))


def assert_texts_are_apart(drawing: Drawing) -> None:
    """Of a drawing that a canvas has drawn: no two texts overlap, none is cut or small."""
    renderer = drawing.canvas.get_renderer()
    boxes = [(text, text.get_window_extent(renderer)) for text in texts_of(drawing)]
    assert len(boxes) > 5
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        # Side by side, words want some space between them.
        over_x = min(first.x1, second.x1) - max(first.x0, second.x0) + SPACE
        over_y = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert over_x <= 0 or over_y <= 0, f"{one.get_text()!r} overlaps {other.get_text()!r}"
    for text, box in boxes:
        inside = (box.x0 >= 0 and box.y0 >= 0 and box.x1 <= drawing.bbox.width
                  and box.y1 <= drawing.bbox.height)
        assert inside, f"{text.get_text()!r} is cut"
        assert text.get_fontsize() >= 9, text.get_text()


@pytest.mark.parametrize("name", FIGURES)
def test_title_and_legend_are_beside_the_data(loaded: dict[str, Results], name: str) -> None:
    drawing = drawn(loaded["many"], name, style.WIDE)
    renderer = drawing.canvas.get_renderer()
    strip = [*drawing.legends, *drawing.texts]
    assert len(drawing.legends) == 1 and len(drawing.texts) == 2
    for panel, part in itertools.product(drawing.axes, strip):
        assert not panel.get_window_extent(renderer).overlaps(part.get_window_extent(renderer))
        assert panel.get_legend() is None


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_a_label_and_a_unit(loaded: dict[str, Results], name: str) -> None:
    units = ("ns", "us", "ms", "%", "blocks", "queues", "threads")
    panels = drawn(loaded["quick"], name, style.WIDE).axes
    for panel in panels:
        assert panel.get_xlabel()
        assert any(unit in panel.get_xlabel() for unit in units), panel.get_xlabel()
    labelled = [panel for panel in panels if panel.get_ylabel()]
    assert labelled
    for panel in labelled:
        ticks = [tick.get_text() for tick in panel.get_yticklabels()]
        assert any(unit in text for unit in units for text in [panel.get_ylabel(), *ticks])
    # Panels without a label share the axis of one that has it.
    for panel in panels:
        assert panel.get_ylabel() or panel.get_shared_y_axes().joined(panel, labelled[0])


def lines_of(panel: Axes) -> dict[str, Any]:
    return {line.get_color(): line for line in panel.get_lines()}


def test_the_walk_figure_draws_its_table(quick_report: Path) -> None:
    frame = FIGURES["walk-cost"].collect(load([quick_report]))
    panels = FIGURES["walk-cost"].draw(frame, style.WIDE).axes
    assert len(panels) == frame["full_percent"].nunique() == 3
    for panel, full in zip(panels, (0, 50, 90)):
        assert panel.get_xscale() == panel.get_yscale() == "log"
        assert f"{full} %" in panel.get_title(loc="left")
        lines = lines_of(panel)
        for walk in ("free_list", "xarray"):
            part = frame.query("walk == @walk and full_percent == @full").sort_values("blocks")
            line = lines[style.walk_colour(walk)]
            assert list(line.get_xdata()) == list(part["blocks"])
            assert list(line.get_ydata()) == list(part["p50_ns"])
        heights = {round(y, 3) for band in panel.collections
                   for y in band.get_paths()[0].vertices[:, 1]}
        shown = frame[frame["full_percent"] == full]
        assert {round(y, 3) for y in (*shown["p10_ns"], *shown["p90_ns"])} <= heights


def test_a_visited_block_is_a_flush_divided_by_what_it_visits(make_report: Make) -> None:
    frame = FIGURES["walk-cost-per-block"].collect(load([make_report(noise=0.0)]))
    cost = frame.set_index("walk")["p50_ns_a_block"]
    assert cost["free_list"] == pytest.approx(10.4 + 40 / 2048, rel=1e-4)
    assert cost["xarray"] == pytest.approx(24.1 + 40 / 4096, rel=1e-4)


def test_several_queues_have_a_panel_of_their_own(quick_report: Path) -> None:
    frame = FIGURES["walk-cost-per-block"].collect(load([quick_report]))
    assert sorted(frame.query("against == 'queues'")["queues"].unique()) == [1, 8, 64]
    assert set(frame.query("against == 'blocks'")["queues"]) == {1}
    panel = FIGURES["walk-cost-per-block"].draw(frame, style.WIDE).axes[-1]
    assert "queues" in panel.get_xlabel() and "4,096 blocks" in panel.get_title(loc="left")
    xarray = lines_of(panel)[style.walk_colour("xarray")]
    assert list(xarray.get_xdata()) == [1, 8, 64]


def test_a_walk_that_visits_nothing_has_no_time_a_block(make_report: Make) -> None:
    frame = FIGURES["walk-cost-per-block"].collect(load([make_report(full=(100,))]))
    assert set(frame["walk"]) == {"xarray"}


def bars_of(panel: Axes, colour: str) -> list[Any]:
    wanted = matplotlib_colour(colour)
    return [bar for bar in panel.patches if bar.get_facecolor()[:3] == wanted and bar.get_height()]


def matplotlib_colour(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5))


def test_stacked_bars_are_the_walk_and_the_shootdown_of_the_flush(make_report: Make) -> None:
    frame = FIGURES["walk-and-shootdown"].collect(load([make_report(noise=0.0)]))
    range_panel, noop_panel = FIGURES["walk-and-shootdown"].draw(frame, style.WIDE).axes
    assert "mprotect_range" in range_panel.get_title(loc="left")
    assert "noop" in noop_panel.get_title(loc="left")
    walk = 40 + 4096 * 24.1
    assert [bar.get_height() for bar in bars_of(range_panel, style.walk_colour("xarray"))] == [
        pytest.approx(walk, rel=1e-4)] * 2
    added = sorted(bar.get_height() for bar in bars_of(range_panel, style.SHOOTDOWN))
    assert added == [pytest.approx(us * 1000, rel=1e-3) for us in (4.5, 4.5, 26.6, 26.6)]
    tops = sorted(bar.get_y() + bar.get_height() for bar in bars_of(range_panel, style.SHOOTDOWN))
    assert tops == [pytest.approx(time) for time in sorted(
        frame.query("shootdown == 'mprotect_range'")["flush_ns"])]


def test_each_backend_is_shown_at_the_size_it_was_measured_at(quick_report: Path) -> None:
    frame = FIGURES["walk-and-shootdown"].collect(load([quick_report]))
    sizes = frame.groupby("shootdown")["blocks"].unique().map(list).to_dict()
    assert sizes == {"mprotect_range": [4096], "noop": [64], "mprotect": [64], "munmap": [64]}
    titles = [panel.get_title(loc="left")
              for panel in FIGURES["walk-and-shootdown"].draw(frame, style.WIDE).axes]
    assert ["4,096 blocks" in title for title in titles] == [True, False, False, False]
    assert all("64 blocks" in title for title in titles[1:])


def test_the_walk_is_that_of_the_same_flush(make_report: Make) -> None:
    results = load([make_report(blocks=(64, 4096), full=(0, 50), noise=0.0)])
    from flushwalk.measures import shootdown_costs

    for case in shootdown_costs(results).itertuples():
        visited = case.blocks * (100 - case.full_percent) / 100 if (
            case.walk == "free_list") else case.blocks
        each = 10.4 if case.walk == "free_list" else 24.1
        assert case.walk_ns == pytest.approx(40 + visited * each, rel=1e-4)


def test_stale_slots_are_drawn_as_a_share_with_their_number(make_report: Make) -> None:
    frame = FIGURES["stale-slots"].collect(load([make_report(full=(0, 50, 90))]))
    (panel,) = FIGURES["stale-slots"].draw(frame, style.WIDE).axes
    heights = [bar.get_height() for bar in bars_of(panel, style.walk_colour("free_list"))]
    assert heights == [pytest.approx(100 * 205 / 410), pytest.approx(90, abs=0.1)]
    assert bars_of(panel, style.walk_colour("xarray")) == []
    assert sorted(text.get_text() for text in panel.texts) == ["0", "0", "0", "0", "205", "369"]


def test_stale_slots_go_by_blocks_where_full_has_one_value(make_report: Make) -> None:
    frame = FIGURES["stale-slots"].collect(load([make_report(blocks=(64, 512))]))
    assert set(frame["against"]) == {"blocks"}
    (panel,) = FIGURES["stale-slots"].draw(frame, style.WIDE).axes
    assert panel.get_xlabel() == "live blocks"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["64", "512"]


@pytest.mark.parametrize("name", FIGURES)
def test_a_walk_has_one_colour_in_all_figures(quick_report: Path, name: str) -> None:
    drawing = drawn(load([quick_report]), name, style.WIDE)
    named = " ".join(text.get_text() for text in drawing.legends[0].get_texts())
    assert named.count("free list") == named.count("xarray") == 1
    for text, handle in zip(drawing.legends[0].get_texts(), drawing.legends[0].legendHandles):
        for walk, words in (("free_list", "free list"), ("xarray", "xarray")):
            if words in text.get_text():
                colour = handle.get_color() if hasattr(handle, "get_color") else (
                    handle.get_facecolor())
                expected = style.walk_colour(walk)
                assert colour in (expected, (*matplotlib_colour(expected), 1.0))


@pytest.mark.parametrize("name", FIGURES)
def test_invalid_rows_reach_no_figure(make_report: Make, name: str) -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["repetition"] in (1, 4):
            row.update(valid="false", invalid_reason="planted", stale_slots=int(HUGE),
                       visited_blocks=1, shootdown_calls=int(HUGE), dirty_blocks=0)
            row.update({key: HUGE for key in ("min", "p10", "p50", "p90", "p99", "mean", "max")})

    figure = FIGURES[name]
    frame = figure.collect(load([make_report(change=spoil, noise=0.0)]))
    clean = figure.collect(load([make_report("clean", repetitions=10, noise=0.0)]))
    assert frame.select_dtypes("number").max().max() < HUGE / 1000
    same = [column for column in clean.columns
            if column not in ("report", "shootdowns_proven", "samples")]
    pd.testing.assert_frame_equal(frame[same], clean[same])
    highest = max(panel.get_ylim()[1] for panel in drawn(
        load([make_report("again", change=spoil)]), name, style.WIDE).axes)
    assert highest < HUGE / 1000


@pytest.mark.parametrize("name", FIGURES)
def test_without_rows_there_is_no_figure(make_report: Make, name: str) -> None:
    def spoil(row: dict[str, Any]) -> None:
        row.update(valid="false", invalid_reason="planted")

    assert collect(load([make_report(change=spoil)]), [name]) == {}


@pytest.mark.parametrize("name", FIGURES)
def test_the_sentence_follows_the_data(make_report: Make, name: str) -> None:
    def change(row: dict[str, Any]) -> None:
        row["p50"] = f"{float(row['p50']) * 3:.3f}"
        row["stale_slots"] = 7

    figure = FIGURES[name]
    first, second = (figure.sentence(figure.collect(load([folder]))) for folder in (
        make_report(), make_report("changed", change=change)))
    assert first != second and "nan" not in first + second


def test_figures_of_one_walk_say_nothing_of_another(make_report: Make) -> None:
    results = load([make_report(walks=("xarray",))])
    for name, found in collect(results, FIGURES).items():
        words = found.figure.sentence(found.frame)
        assert "free list" not in words and "nan" not in words, name


@pytest.mark.parametrize("name", FIGURES)
def test_the_files_are_the_same_for_the_same_rows(quick_report: Path, tmp_path: Path,
                                                 name: str) -> None:
    first, second = (collect(load([quick_report]), [name])[name].write(tmp_path / folder)
                     for folder in "ab")
    assert [path.suffix for path in first] == [".svg", ".png", ".csv"]
    for one, other in zip(first, second):
        assert one.read_bytes() == other.read_bytes()
    table = pd.read_csv(first[2])
    frame = FIGURES[name].collect(load([quick_report]))
    assert list(table.columns) == list(frame.columns) and len(table) == len(frame)
    numbers = frame.select_dtypes("number").columns
    assert np.allclose(table[numbers], frame[numbers], equal_nan=True)
    assert first[1].read_bytes()[16:20] == int(7.6 * output.PNG_DPI).to_bytes(4, "big")
