"""Figures and sections of the shootdown itself: legible on machines of every size, and what they say
where something was not measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from synthetic_report import MACHINE, Row
from synthetic_shootdown import Machine, Writer, quick, scaling, write_report
from test_figures import assert_texts_are_apart, frame_of

from flushwalk.document import Command, Numbers, Paragraph, Picture
from flushwalk.drawings import Drawn, collect
from flushwalk.figures import FIGURES as ALL_FIGURES
from flushwalk.figures import style
from flushwalk.results import Results, load
from flushwalk.sections import Context, shootdown, shootdown_scaling

FIGURES = {name: figure for name, figure in ALL_FIGURES.items()
           if figure.bench == "shootdown_bench"}
PAIRS, SCALING = "shootdown-pairs", "shootdown-scaling"


def rows_of(packages: int, cores: int, threads: int, *counts: int) -> Iterator[Row]:
    yield from Machine(packages, cores, threads).pairs(1)
    yield from scaling(counts, 6)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    root = tmp_path_factory.mktemp("shootdowns")
    two, eight, many = Machine(1, 2), Machine(2, 4), Machine(2, 8, 2)
    return {
        "quick": load([write_report(root / "quick", quick(), topology=two.xml())]),
        "eight": load([write_report(root / "eight", rows_of(2, 4, 1, 1, 2, 4, 7),
                                    topology=eight.xml())]),
        "many": load([write_report(root / "many", many.pairs(1), topology=many.xml())]),
    }


def drawn(results: Results, name: str, layout: style.Layout = style.WIDE) -> Drawing:
    drawing = FIGURES[name].draw(frame_of(results, name), layout)
    FigureCanvasAgg(drawing).draw()
    return drawing


@pytest.mark.parametrize("data, name, layout", [
    *(("quick", name, style.NARROW) for name in FIGURES if name not in (PAIRS, SCALING)),
    ("quick", "shootdown-latency", style.WIDE), ("eight", SCALING, style.NARROW),
    *((data, PAIRS, layout) for data, layout in (
        ("quick", style.WIDE), ("eight", style.NARROW), ("eight", style.WIDE),
        ("many", style.WIDE)))])
def test_no_two_texts_overlap_and_none_is_cut(
        loaded: dict[str, Results], data: str, name: str, layout: style.Layout) -> None:
    assert_texts_are_apart(drawn(loaded[data], name, layout))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_says_what_it_shows(loaded: dict[str, Results], name: str) -> None:
    results = loaded["eight" if name == SCALING else "quick"]
    frame = frame_of(results, name)
    table = FIGURES[name].numbers(frame)
    said = [FIGURES[name].sentence(frame), FIGURES[name].reading(frame),
            *(cell for row in table.rows for cell in row)]
    assert not re.search(r"\bnan\b", " ".join(said))
    assert said[0].endswith(".") and re.search(r"\d", said[0])
    assert table.rows and all(len(row) == len(table.headers) for row in table.rows)


def test_colours_follow_the_paper(loaded: dict[str, Results]) -> None:
    for picture in collect(loaded["quick"], [PAIRS])[PAIRS].inline():
        assert re.findall(r"#[0-9a-f]{6}\b", picture) == []


def cells_of(drawing: Drawing) -> np.ndarray[Any, Any]:
    return np.asarray(drawing.axes[0].images[0].get_array())


def test_the_map_has_a_cell_a_pair_and_a_border_between_packages(loaded: dict[str, Results]) -> None:
    drawing = drawn(loaded["eight"], PAIRS)
    panel = drawing.axes[0]
    order = [label.get_text() for label in panel.get_xticklabels()]
    assert order == [label.get_text() for label in panel.get_yticklabels()] == list("02461357")
    assert panel.get_ylim() == (7.5, -0.5)  # the first initiator is on top
    written = {tuple(text.get_position()): float(text.get_text()) for text in panel.texts}
    frame = frame_of(loaded["eight"], PAIRS)
    assert len(written) == len(frame) == 56
    for pair in frame.itertuples():
        assert written[(pair.responder_at, pair.initiator_at)] == pytest.approx(
            pair.p50 / 1000, abs=0.051)
    assert {line.get_ydata()[0] for line in panel.lines if line.get_xdata()[0] == 0} == {3.5}
    colours = cells_of(drawing)
    assert colours[0, 4:, 0].min() > colours[0, 1:4, 0].max()  # the other package's are dearer


def test_numbers_are_left_away_where_cells_are_small(loaded: dict[str, Results]) -> None:
    panel = drawn(loaded["many"], PAIRS).axes[0]
    assert not panel.texts and 5 < len(panel.get_xticklabels()) < 32
    assert FIGURES[PAIRS].numbers(frame_of(loaded["many"], PAIRS)).rows[0][0] == "same core"
    phone = drawn(loaded["eight"], PAIRS, style.NARROW).axes[0]
    assert {len(text.get_text()) for text in phone.texts} == {2}  # without decimals


def test_a_pair_without_a_valid_row_is_an_empty_cell(tmp_path: Path) -> None:
    def spoil(row: Row) -> None:
        if (row["initiator_cpu"], row["responder_cpus"]) == (1, "2"):
            row.update(valid="false", invalid_reason="planted")

    machine = Machine(1, 4)
    results = load([write_report(tmp_path / "r", machine.pairs(1), topology=machine.xml(),
                                 change=spoil)])
    drawing = drawn(results, PAIRS)
    colours = cells_of(drawing)
    assert colours[1, 2, 3] == 0.0 and colours[2, 1, 3] == 1.0
    labels = [text.get_text() for text in drawing.legends[0].get_texts()]
    assert labels == ["no valid row"]  # and no border, of one package


def test_equal_pairs_get_no_strong_colours(tmp_path: Path) -> None:
    cases = (row for cpus, us in (((0, 1), 20.0), ((1, 0), 20.2))
             for row in Writer().case(cpus=cpus, us=us, repetitions=5))
    colours = cells_of(drawn(load([write_report(tmp_path / "r", cases)]), PAIRS))
    assert np.abs(colours[0, 1] - colours[1, 0]).max() < 0.25


def test_the_line_is_dashed_where_nothing_was_measured(loaded: dict[str, Results]) -> None:
    (panel,) = drawn(loaded["eight"], SCALING).axes
    curves = [line for line in panel.lines if len(line.get_xdata()) > 10]
    solid = [line for line in curves if line.get_linestyle() == "-"]
    dashed = [line for line in curves if line.get_linestyle() == "--"]
    assert len(solid) == len(dashed) == 4
    assert all(max(line.get_xdata()) == 7 for line in solid)
    assert all((min(line.get_xdata()), max(line.get_xdata())) == (7, 1023) for line in dashed)
    assert [label.get_text() for label in panel.get_xticklabels()][-3:] == ["63", "255", "1,023"]
    words = FIGURES[SCALING].sentence(frame_of(loaded["eight"], SCALING))
    assert "held out" in words and "Extrapolated to 1,024 CPUs, 146 times" in words


def test_two_numbers_of_responders_are_drawn_without_a_line(tmp_path: Path) -> None:
    results = load([write_report(tmp_path / "r", scaling((1, 2)))])
    (panel,) = drawn(results, SCALING).axes
    assert all(len(line.get_xdata()) <= 2 for line in panel.lines)
    words = FIGURES[SCALING].sentence(FIGURES[SCALING].collect(results))
    assert words.startswith("No line is drawn: it takes 3 numbers") and "1 and 2." in words


def blocks_of(results: Results, builder: Callable[[Context], Any]) -> list[Any]:
    frames = {name: frame_of(results, name) for name in FIGURES}
    found = {name: Drawn(FIGURES[name], frame) for name, frame in frames.items() if len(frame)}
    return list(builder(Context(results, found)).blocks)


def test_sections_of_a_run_without_shootdowns_say_what_makes_them(
        make_report: Callable[..., Path]) -> None:
    results = load([make_report(repetitions=2)])
    blocks = [*blocks_of(results, shootdown.build), *blocks_of(results, shootdown_scaling.build)]
    commands = [block.text for block in blocks if isinstance(block, Command)]
    assert len(commands) == len(FIGURES) and "scripts/run --pairs=only" in commands
    assert sum("bin/shootdown_bench --" in text for text in commands) == len(FIGURES) - 1
    said = " ".join(block.text for block in blocks if isinstance(block, Paragraph))
    assert "3 numbers of responders, and so 4 usable cores; this run has none" in said


def test_one_number_of_responders_is_said_to_be_too_few(loaded: dict[str, Results]) -> None:
    blocks = blocks_of(loaded["quick"], shootdown_scaling.build)
    said = " ".join(block.text for block in blocks if isinstance(block, Paragraph))
    assert "no line is drawn" in said and "this run has 1." in said
    shown = [block.name for block in blocks if isinstance(block, Picture)]
    assert shown == [PAIRS, "shootdown-throughput"]


def test_the_proof_stands_below_the_figures(loaded: dict[str, Results]) -> None:
    blocks = blocks_of(loaded["quick"], shootdown.build)
    (proof,) = [block for block in blocks if isinstance(block, Numbers)]
    rows = {row[0]: row for row in proof.table.rows}
    assert rows["munmap"][2] == "13,992 of 14,000" and rows["munmap"][6] == "8"
    assert isinstance(blocks[-1], Paragraph) and "during 15 all the same" in blocks[-1].text


def test_emulated_cpus_are_said_to_be(tmp_path: Path, loaded: dict[str, Results]) -> None:
    machine = {**MACHINE, "hypervisor": {"vendor": "tcg"}}
    results = load([write_report(tmp_path / "r", Writer().case(), machine=machine)])
    for builder in (shootdown.build, shootdown_scaling.build):
        assert "were emulated" in blocks_of(results, builder)[0].text
        assert "were emulated" not in str(blocks_of(loaded["quick"], builder)[0])
