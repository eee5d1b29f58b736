"""The index: what is read off the rows of xarray_bench, the figure and the section."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from synthetic_index import CONTAINERS, OWN_OPERATIONS, IndexPlan, write_index
from synthetic_report import Plan, Row, write_report
from test_figures import LAYOUTS, SPACE, texts_of

from flushwalk import index_measures
from flushwalk.document import markdown
from flushwalk.drawings import collect
from flushwalk.figures import FIGURES, style
from flushwalk.results import load
from flushwalk.sections import Context, index

FIGURE = FIGURES["xarray"]
WHOLE = IndexPlan(operations=("insert", "load", "erase", "iterate", *OWN_OPERATIONS))


def text_of(folder: Path) -> str:
    results = load([folder])
    built = index.build(Context(results, collect(results, [FIGURE.name])))
    return markdown("T", "s", [built])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("reports") / "whole", WHOLE)


@pytest.fixture(scope="module")
def whole_text(whole: Path) -> str:
    return text_of(whole)


def test_times_are_medians_over_the_repetitions_of_valid_rows(tmp_path: Path) -> None:
    def spoil(row: Row) -> None:
        if row["metric"] == "operation_time" and row["repetition"] < 2:
            row.update(p50="9999.0", valid="false", invalid_reason="planted")

    folder = write_index(tmp_path / "run", IndexPlan(entries=(4096,), noise=0.0, change=spoil))
    table = index_measures.times(load([folder])).set_index(["keys", "operation", "container"])
    assert table.loc[("dense", "load", "judyl"), "p50_ns"] == pytest.approx(13.0)
    assert table.loc[("dense", "load", "judyl"), "repetitions"] == 6
    assert table.loc[("random", "insert", "xarray"), "p50_ns"] == pytest.approx(8.0)
    assert len(table) == 3 * (4 * 5 + 1)


def test_the_ratio_is_over_the_xarray_within_pairs(tmp_path: Path) -> None:
    # Drift of a factor of two, which a pair does not see.
    folder = write_index(tmp_path / "run", IndexPlan(entries=(4096,), keys=("dense",), noise=0.7,
                                                     operations=("load", "erase")))
    table = index_measures.times(load([folder])).set_index(["operation", "container"])
    found = table.loc[("load", "judyl")]
    # Times are written with two decimals.
    assert found["ratio"] == pytest.approx(6.5, rel=0.01) and found["pairs"] == 8
    assert found["ratio_low"] == pytest.approx(6.5, rel=0.02)
    assert (found["over"], found["verdict"]) == ("load", "slower")
    own = table.loc[("load", "xarray")]
    assert own["over"] == "" and np.isnan(own["ratio"])


@pytest.mark.parametrize(("operations", "over"), [
    (("iterate",), "iterate"), (("iterate", "iterate_cursor"), "iterate_cursor")])
def test_an_iteration_is_compared_with_the_cursor_where_there_is_one(
        tmp_path: Path, operations: tuple[str, ...], over: str) -> None:
    def same_drift(row: Row) -> None:
        if row["metric"] == "operation_time" and row["operation"] == "iterate_cursor":
            row["p50"] = "0.50"

    folder = write_index(tmp_path / "run", IndexPlan(
        entries=(4096,), keys=("dense",), operations=operations, noise=0.0, change=same_drift))
    table = index_measures.times(load([folder])).set_index(["operation", "container"])
    found = table.loc[("iterate", "std_map")]
    assert found["over"] == over
    assert found["ratio"] == pytest.approx(43.0 / (0.5 if over == "iterate_cursor" else 1.0))


def test_memory_is_by_keys_container_and_entries(whole: Path) -> None:
    table = index_measures.memory(load([whole])).set_index(["keys", "container", "entries"])
    assert table.loc[("dense", "xarray", 4096), "bytes"] == pytest.approx(9.14)
    assert table.loc[("every_64th", "xarray", 16), "bytes"] == pytest.approx(585)
    assert len(table) == 3 * 5 * 4
    assert list(dict.fromkeys(table.index.get_level_values("container"))) == list(CONTAINERS)


@pytest.mark.parametrize(("sizes", "shown"), [
    ([64], [64]), ([16, 64, 4096, 65536], [16, 64, 4096, 65536]),
    ([16, 64, 256, 1024, 4096, 65536, 1048576], [16, 4096, 65536, 1048576]),
    ([16, 20, 24, 28, 32], [16, 28, 32]), ([4096, 8192, 16384, 32768, 65536],
                                           [4096, 16384, 32768, 65536])])
def test_a_table_has_at_most_four_sizes(sizes: list[float], shown: list[float]) -> None:
    found = index_measures.shown_sizes(sizes)
    assert len(found) <= 4 and {min(sizes), max(sizes)} <= set(found)
    assert set(shown) <= set(found)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("data", ["whole", "single", "two"])
def test_the_figure_is_legible(whole: Path, tmp_path: Path, layout: str, data: str) -> None:
    folders = {"whole": [whole], "single": [write_index(tmp_path / "single", IndexPlan(
        containers=("std_map",), operations=("load",), entries=(16,), repetitions=1))],
        "two": [whole, write_index(tmp_path / "another-host-6.18.5", IndexPlan())]}[data]
    drawing = FIGURE.draw(FIGURE.collect(load(folders)), LAYOUTS[layout])
    FigureCanvasAgg(drawing).draw()
    renderer = drawing.canvas.get_renderer()
    boxes = [(text, text.get_window_extent(renderer)) for text in texts_of(drawing)]
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        over_x = min(first.x1, second.x1) - max(first.x0, second.x0) + SPACE
        over_y = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert over_x <= 0 or over_y <= 0, f"{one.get_text()!r} overlaps {other.get_text()!r}"
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= drawing.bbox.width, text.get_text()
    for panel in drawing.axes:
        assert panel.get_xlabel() == f"entries ({LAYOUTS[layout].scale} scale)"


def test_the_figure_draws_its_table_dense_keys_alone(whole: Path) -> None:
    frame = FIGURE.collect(load([whole]))
    assert set(frame["keys"]) == {"dense"}
    drawing = FIGURE.draw(frame, style.WIDE)
    titles = [panel.get_title(loc="left") for panel in drawing.axes]
    assert titles == ["load", "insert", "erase", "iterate"]
    colours = []
    for panel, title in zip(drawing.axes, titles):
        # Five containers, and the cursor beside the iterations; no scan, no marked.
        lines = panel.get_lines()
        assert len(lines) == (6 if title == "iterate" else 5)
        for line in lines:
            part = frame[np.isclose(frame["p50_ns"], line.get_ydata()[-1])
                         & (frame["entries"] == line.get_xdata()[-1])]
            assert title in {name.removesuffix("_cursor") for name in part["operation"]}
        looks = [(line.get_color(), line.get_marker()) for line in lines]
        assert len(set(looks)) == len(looks)
        colours.append(looks[:5] if title != "iterate" else None)
    assert colours[0] == colours[1] == colours[2], "a container looks the same in all panels"


def test_keys_that_are_not_dense_are_drawn_where_a_run_has_no_others(tmp_path: Path) -> None:
    folder = write_index(tmp_path / "run", IndexPlan(keys=("random",)))
    assert set(FIGURE.collect(load([folder]))["keys"]) == {"random"}
    assert "random keys" in text_of(folder)


def test_the_sentence_tells_each_operation_at_the_usual_size(tmp_path: Path) -> None:
    folder = write_index(tmp_path / "run", IndexPlan(noise=0.0))
    said = FIGURE.sentence(FIGURE.collect(load([folder])))
    assert said.startswith("At 4,096 entries, dense keys: load: xarray 2.00 ns, ")
    assert "JudyL 13.0 ns (6.50x)" in said
    assert "iterate: xarray, cursor 0.500 ns, xarray 1.00 ns, std::map 43.0 ns (86.0x)" in said


@pytest.mark.parametrize("words", [
    r"\| load +\| every 64th key +\| std::map +\|( +[\d.]+ ns \|){4}",
    r"\| iterate marked +\| dense keys +\| xarray +\|", r"\| set mark +\| random keys +\| xarray",
    "iterate marked visits the tenth of the entries that is marked",
    r"Bytes an entry at 4,096 entries: dense keys: the xarray 9\.14 and the leanest other, JudyL, "
    r"10\.3; every 64th key: the xarray 585 and the leanest other, JudyL, 16\.0; random keys",
    r"\| every 64th key +\| xarray +\| +585 \| +585 \| +585 \| +585 \|",
    "the others are timed without a lock", "is iterated in no order",
])
def test_the_section_says(whole_text: str, words: str) -> None:
    assert re.search(words, whole_text)


def test_a_container_that_is_not_there_is_simply_absent(tmp_path: Path) -> None:
    folder = write_index(tmp_path / "run", IndexPlan(containers=("xarray",)))
    text = text_of(folder)
    assert "JudyL " not in text.replace("JudyLMemUsed", "")
    assert "Bytes an entry at 4,096 entries: dense keys: the xarray 9.14; " in text
    assert "nan" not in text and " over " in text


def test_a_size_without_valid_rows_is_a_dash(tmp_path: Path) -> None:
    def spoil(row: Row) -> None:
        if (row["operation"], row["container"], row["entries"]) == ("load", "lfht", 256):
            row.update(valid="false", invalid_reason="planted")

    text = text_of(write_index(tmp_path / "run", IndexPlan(keys=("dense",), change=spoil)))
    assert re.search(r"\| load +\| dense keys +\| lfht \(liburcu\) +\| +[\d.]+ ns \| +- \|", text)


def test_a_run_without_rows_says_which_command_makes_them(tmp_path: Path) -> None:
    folder = write_report(tmp_path / "run", Plan(blocks=(64,), full=(50,), repetitions=1))
    text = text_of(folder)
    assert f"build/release/bin/xarray_bench {FIGURE.needs} --out=run" in text
    assert "|" not in text
