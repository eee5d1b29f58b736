"""What striping buys: what is read off the rows, the figure and the section."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from synthetic_alloc_free import KINDS, AllocPlan, whole_set, write_alloc_free
from synthetic_report import Plan, write_report
from test_figures import LAYOUTS, SPACE, texts_of

from flushwalk import alloc_measures
from flushwalk.document import markdown
from flushwalk.drawings import collect
from flushwalk.figures import FIGURES, style
from flushwalk.figures.alloc_free import gain
from flushwalk.results import load
from flushwalk.sections import Context, alloc_free

FIGURE = FIGURES["alloc-free"]
LINEAR = replace(style.WIDE, scale=style.LINEAR)


def text_of(folder: Path) -> str:
    results = load([folder])
    built = alloc_free.build(Context(results, collect(results, [FIGURE.name])))
    return markdown("T", "s", [built])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_alloc_free(tmp_path_factory.mktemp("reports") / "whole", *whole_set(noise=0.0))


@pytest.fixture(scope="module")
def whole_text(whole: Path) -> str:
    return text_of(whole)


def test_a_case_has_its_rate_its_times_and_its_waits(tmp_path: Path) -> None:
    folder = write_alloc_free(tmp_path / "run", AllocPlan(noise=0.0))
    table = alloc_measures.cases(load([folder])).set_index(["threads", "queues"])
    shared = table.loc[(2, 1)]
    assert shared["throughput"] == pytest.approx(2 * 1e9 / 800)
    assert shared["pair_ns"] == pytest.approx(800) and shared["alloc_ns"] == pytest.approx(803 * 1.1)
    assert shared["block_share"] == pytest.approx(0.4, abs=1e-4)
    assert shared["block_waits"] == 5000
    assert all(shared[f"{kind}_share"] == 0 for kind in KINDS if kind != "block")
    assert table.loc[(2, 2), "block_share"] == 0
    assert len(table) == 2 * 4 and set(table["repetitions"]) == {8}


def test_times_are_averaged_over_the_threads(tmp_path: Path) -> None:
    def slow_second(row: dict[str, Any]) -> None:
        if row["metric"] == "pair_time" and row["cpu"] == 1:
            row["p50"] = "900.00"

    folder = write_alloc_free(tmp_path / "run", AllocPlan(noise=0.0, change=slow_second))
    table = alloc_measures.cases(load([folder])).set_index(["threads", "queues"])
    assert table.loc[(2, 1), "pair_ns"] == pytest.approx(850)
    assert table.loc[(1, 1), "pair_ns"] == pytest.approx(70.12, abs=0.02)


def test_the_gain_is_a_ratio_within_pairs(tmp_path: Path) -> None:
    # Drift of a factor of two, which a pair does not see.
    folder = write_alloc_free(tmp_path / "run", AllocPlan(noise=0.7))
    table = alloc_measures.cases(load([folder])).set_index(["threads", "queues"])
    two = table.loc[(2, 2)]
    assert two["gain"] == pytest.approx(800 / 70.125, rel=1e-3) and two["pairs"] == 8
    assert two["gain_low"] == pytest.approx(two["gain_high"], rel=1e-3)
    assert table.loc[(2, 1), "gain"] == table.loc[(1, 1), "gain"] == 1


def test_invalid_rows_reach_nothing(tmp_path: Path) -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["repetition"] in (1, 4):
            row.update(valid="false", invalid_reason="planted", p50="9e15", mean="9e15")

    clean = alloc_measures.cases(load([write_alloc_free(
        tmp_path / "run", AllocPlan(noise=0.0))]))
    spoiled = alloc_measures.cases(load([write_alloc_free(
        tmp_path / "spoiled", AllocPlan(noise=0.0, change=spoil))]))
    assert spoiled["repetitions"].unique() == [6]
    numbers = ["throughput", "pair_ns", "alloc_ns", "block_share", "gain"]
    assert np.allclose(clean[numbers], spoiled[numbers])


@pytest.mark.parametrize("axis", ["walk:marked", "flush_every:16", "other_full:50"])
def test_cases_of_other_questions_are_not_mixed_in(tmp_path: Path, axis: str) -> None:
    def further_axis(row: dict[str, Any]) -> None:
        row["case"] += f"/{axis}"
        row.update(p50="9e15", mean="9e15")

    folder = write_alloc_free(tmp_path / "run", AllocPlan(noise=0.0, blocks=(0, 16)))
    before = alloc_measures.cases(load([folder])), alloc_measures.memory(load([folder]))
    write_alloc_free(folder, AllocPlan(blocks=(0, 16), change=further_axis), append=True)
    after = alloc_measures.cases(load([folder])), alloc_measures.memory(load([folder]))
    for one, other in zip(before, after):
        pd.testing.assert_frame_equal(one, other)


def test_other_benches_rows_are_not_taken(tmp_path: Path) -> None:
    folder = write_report(tmp_path / "run", Plan(blocks=(64,), full=(50,)))
    assert alloc_measures.cases(load([folder])).empty
    assert alloc_measures.by_stripes(load([folder])).empty
    assert FIGURE.name not in collect(load([folder]), FIGURES)
    write_alloc_free(folder, *whole_set(), append=True)
    results = load([folder])
    assert set(results.flushes()["bench"]) == {"flush_walk_bench"}
    assert {FIGURES[name].bench for name in collect(results, FIGURES)} == {
        "flush_walk_bench", "alloc_free_bench"}


def test_the_figure_draws_its_table(whole: Path) -> None:
    frame = FIGURE.collect(load([whole]))
    assert set(frame["pages"]) == {1} and set(frame["flusher"]) == {"none"}
    assert set(frame["blocks"]) == {0}
    same, other, same_waits, other_waits = FIGURE.draw(frame, LINEAR).axes
    assert "the thread that allocated" in same.get_title(loc="left").replace("\n", " ")
    for panel, freeing, threads in ((same, "same_cpu", (1, 2)), (other, "other_cpu", (2,))):
        lines = {line.get_color(): line for line in panel.get_lines()}
        for count in threads:
            part = frame.query("freeing == @freeing and threads == @count").sort_values("queues")
            line = lines[style.numbered_line(count - 1)["color"]]
            assert list(line.get_xdata()) == list(part["queues"])
            assert list(line.get_ydata()) == list(part["throughput"])
        assert len(lines) == len(threads) and panel.get_ylim()[0] == 0
    for panel, exchange in ((same_waits, 0), (other_waits, 2)):
        heights = [bar.get_height() for bar in panel.patches if bar.get_height() > 1]
        assert heights[0] == pytest.approx(40, abs=0.1)
        assert heights[1:] == [pytest.approx(2, abs=0.1)] * (4 if exchange else 0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("plan", [
    {}, {"queues": tuple(1 << bit for bit in range(11)), "threads": (1, 2, 4, 8, 16, 32)},
    {"threads": (1,), "queues": (1, 2)}, {"freeing": ("same_cpu", "other_cpu")}])
def test_no_two_texts_overlap_and_none_is_cut(
        tmp_path: Path, plan: dict[str, Any], layout: str) -> None:
    folder = write_alloc_free(tmp_path / "run", AllocPlan(repetitions=2, **plan))
    drawing = FIGURE.draw(FIGURE.collect(load([folder])), LAYOUTS[layout])
    renderer = FigureCanvasAgg(drawing).get_renderer()
    drawing.draw(renderer)
    boxes = [(text, text.get_window_extent(renderer)) for text in texts_of(drawing)]
    assert len(boxes) > 10
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        over_x = min(first.x1, second.x1) - max(first.x0, second.x0) + SPACE
        over_y = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert over_x <= 0 or over_y <= 0, f"{one.get_text()!r} overlaps {other.get_text()!r}"
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= drawing.bbox.width, f"{text.get_text()!r} is cut"
        assert box.y0 >= 0 and box.y1 <= drawing.bbox.height, f"{text.get_text()!r} is cut"
    for panel in drawing.axes:
        assert "queues" in panel.get_xlabel()
        assert "%" in panel.get_ylabel() or "pairs a second" in panel.get_ylabel()


def test_the_sentence_follows_the_data(tmp_path: Path) -> None:
    folder = write_alloc_free(tmp_path / "run", AllocPlan(noise=0.0))
    sentence = FIGURE.sentence(FIGURE.collect(load([folder])))
    assert sentence == (
        "2 threads, where the thread that allocated frees: pairs a second 2.50 million with "
        "1 queue, 28.5 million with 2 queues and 28.5 million with 1,024 queues, which is "
        "11.4x (95 % interval 11.4-11.4, 8 pairs) of 1 queue. With 1 queue a thread waits 40.0 % "
        "of its time for block locks.")


def test_a_run_of_one_thread_says_nothing_of_waiting(tmp_path: Path) -> None:
    folder = write_alloc_free(tmp_path / "run", AllocPlan(threads=(1,), repetitions=2))
    sentence = FIGURE.sentence(FIGURE.collect(load([folder])))
    assert sentence.startswith("1 thread, ") and "wait" not in sentence
    assert "(no interval: 2 pairs)" in sentence


def test_two_reports_are_told_apart(tmp_path: Path) -> None:
    folders = [write_alloc_free(tmp_path / name, AllocPlan(repetitions=2)) for name in "ab"]
    frame = FIGURE.collect(load(folders))
    throughput, *waits = FIGURE.draw(frame, LINEAR).axes
    assert [line.get_color() for line in throughput.get_lines()] == [
        style.numbered_line(index)["color"] for index in range(2)]
    assert [panel.get_title(loc="left")[-3:] for panel in waits] == [", a", ", b"]
    assert "a: 2 threads" in FIGURE.sentence(frame) and "b: 2 threads" in FIGURE.sentence(frame)
    assert FIGURE.numbers(frame).headers[0] == "report"


@pytest.mark.parametrize(("arguments", "words"), [
    ((1.0, 1.0, 1.0, 8), "1"), ((1.9, 1.8, 2.0, 9), "1.90x (95 % interval 1.80-2.00, 9 pairs)"),
    ((1.9, np.nan, np.nan, 1), "1.90x (no interval: 1 pair)"),
    ((np.nan, np.nan, np.nan, 0), "not measured")])
def test_gains_in_words(arguments: tuple[float, float, float, int], words: str) -> None:
    assert gain(*arguments) == words


@pytest.mark.parametrize("words", [
    r"With 1 thread, 1 queue a pair of alloc and free takes 70\.1 ns \(1 page, v6\.12\) to "
    r"81\.9 ns \(64 pages, v6\.4\)\.",
    r"\| v6\.4 +\| +64 \| +81\.9 ns \| 81\.9 ns to 81\.9 ns \|",
    r"\| same cpu +\| +2 \| +1 \| +880 ns \| +352 ns \(40\.0 %\) \|",
    r"\| v6\.12 +\| +16 \| +70\.1 ns \| +70\.1 ns \| +0\.977 \| +0\.0 % \|",
    r"\| v6\.4 +\| +16 \| +73\.6 ns \| +not measured \|",
    r"with 2 queues and 0 blocks 70\.1 ns, of single calls an alloc 80\.4 ns and a free 77\.1 ns; "
    r"with 65,536 blocks 70\.1 ns, 80\.4 ns and 77\.1 ns; with 64 queues and",
    r"of 65,536 in 2 queues: 338 bytes, of which 18\.0 are its share of xarray nodes\. With 64 "
    r"queues it is 576 bytes of nodes",
    r"\| +65,536 \| +2 \| +338 \| +18\.0 \| +250 \|"])
def test_the_section_has_its_tables(whole_text: str, words: str) -> None:
    assert re.search(words, whole_text), whole_text


def test_a_whole_run_lacks_nothing(whole_text: str) -> None:
    assert "no valid rows" not in whole_text and "nan" not in whole_text


def test_a_section_without_data_says_which_commands_make_it(tmp_path: Path) -> None:
    folder = write_report(tmp_path / "run", Plan(blocks=(64,), full=(50,)))
    text = text_of(folder)
    assert text.count("build/release/bin/alloc_free_bench --") == 5
    assert f"alloc_free_bench {FIGURE.needs} --out=run" in text
    assert text.count("scripts/report run") == 5
    flags = set(re.findall(r"--[a-z-]+=", text))
    assert flags == {"--threads=", "--queues=", "--pages=", "--revision=", "--flusher=",
                     "--other-blocks=", "--samples=", "--repetitions=", "--out="}


@pytest.mark.parametrize("kept", range(4))
def test_a_part_of_the_data_makes_a_part_of_the_section(tmp_path: Path, kept: int) -> None:
    folder = write_alloc_free(tmp_path / "run", whole_set(repetitions=2)[kept])
    text = text_of(folder)
    assert "nan" not in text and "no valid rows" in text
