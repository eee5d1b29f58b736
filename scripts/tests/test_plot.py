"""scripts/plot: any figure alone, from any folders, of several machines in one."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pandas as pd
import pytest
from matplotlib.figure import Figure as Drawing
from synthetic_report import MACHINE
from test_report import FIGURES

from flushwalk import plot
from flushwalk.drawings import collect
from flushwalk.figures import style
from flushwalk.results import load

Make = Callable[..., Path]


def test_plot_writes_all_figures_beside_the_rows(
        make_report: Make, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_report()
    assert plot.main([str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    paths = [line for line in lines if "no valid rows" not in line]
    assert len(paths) == 3 * len(FIGURES)
    assert all(Path(path).is_file() and Path(path).parent == folder / "figures" for path in paths)


@pytest.mark.parametrize(("name", "start"), [
    ("out.svg", b"<?xml"), ("out.png", b"\x89PNG"), ("out.pdf", b"%PDF"), ("out.SVG", b"<?xml"),
    ("out.csv", b"report,walk,")])
def test_plot_writes_one_figure_where_it_is_told_and_says_what_it_shows(
        make_report: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str,
        start: bytes) -> None:
    folders = [str(make_report()), str(make_report("other"))]
    assert plot.main(["walk-cost", *folders, "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(start)
    assert not Path(folders[0], "figures").exists()
    path, *sentences = capsys.readouterr().out.splitlines()
    assert path == str(tmp_path / name)
    assert [line.split(" blocks")[0] for line in sentences] == ["run: At 4,096", "other: At 4,096"]


def two_machines(make_report: Make) -> list[Path]:
    return [make_report(name, noise=0.0, truth=truth, machine={**MACHINE, "host": name})
            for name, truth in (("one", 1.0), ("two", 1.5))]


def drawing_of(folders: list[Path], name: str) -> tuple[pd.DataFrame, Drawing]:
    drawn = collect(load(folders), [name])[name]
    return drawn.frame, drawn.figure.draw(drawn.frame, style.WIDE)


def test_two_machines_are_lines_of_one_panel_named_in_the_legend(make_report: Make) -> None:
    frame, drawing = drawing_of(two_machines(make_report), "walk-cost")
    labels = [f"{name}, {MACHINE['cpu']['model']}, 6.18.5" for name in ("one", "two")]
    assert [text.get_text() for text in drawing.legends[0].get_texts()][-2:] == labels
    (panel,) = drawing.axes
    lines = [line for line in panel.get_lines() if line.get_color() == style.walk_colour("xarray")]
    assert [list(line.get_ydata()) for line in lines] == [
        list(frame.query("walk == 'xarray' and report == @label")["p50_ns"]) for label in labels]
    assert len({line.get_linestyle() for line in lines}) == 2
    assert len({line.get_markerfacecolor() for line in lines}) == 2


def test_two_machines_are_bars_beside_each_other(make_report: Make) -> None:
    frame, drawing = drawing_of(two_machines(make_report), "walk-and-shootdown")
    shot = frame[frame["shootdown"] == "mprotect_range"]
    bars = [bar for bar in drawing.axes[0].patches
            if bar.get_facecolor()[:3] == pytest.approx((0x8a / 255,) * 3)]
    assert sorted(bar.get_y() + bar.get_height() for bar in bars) == pytest.approx(
        sorted(shot["flush_ns"]))
    places = sorted(bar.get_x() for bar in bars)
    assert all(right - left > 0.15 for left, right in zip(places, places[1:]))
    assert len({bar.get_hatch() for bar in bars}) == 2


def test_machines_that_have_one_name_are_told_apart_by_folder(make_report: Make) -> None:
    folders = [make_report("one"), make_report("two")]
    assert [report.label for report in load(folders).reports] == ["one", "two"]


def test_a_scale_is_drawn_as_asked(make_report: Make, tmp_path: Path) -> None:
    files = []
    for scale in ("log", "linear"):
        files.append(tmp_path / f"{scale}.svg")
        assert plot.main(["walk-cost", str(make_report(scale)), "-o", str(files[-1]),
                          f"--scale={scale}"]) == 0
    assert files[0].read_bytes() != files[1].read_bytes()


@pytest.mark.parametrize(("arguments", "why"), [
    (["walk-cots", "{run}"], "walk-cost, walk-cost-per-block, complete-walks, walk-and-shootdown"),
    (["walk-cots"], "walk-cost, walk-cost-per-block, complete-walks, walk-and-shootdown"),
    ([], "no report folder"), (["walk-cost"], "no report folder"), (["all"], "no report folder"),
    (["walk-cost", "{run}", "-o", "{run}/x.gif"], ".svg, .png, .pdf, .csv"),
    (["walk-cost", "{run}", "-o", "{run}/none/x.svg"], "none/x.svg: No such file"),
    (["walk-cost", "{run}", "-o", "{run}/machine.json/x.svg"], "machine.json/x.svg: Not a dir"),
    (["{run}", "-o", "{run}/x.svg"], "name the one figure"),
    (["{run}", "{run}"], "-o FILE"), (["walk-cost", "{run}/nothing"], "no such folder"),
    (["walk-cost", "{run}", "--colour"], "--colour"),
    (["stale-slots", "{run}", "{run}", "-o", "x.svg"], "stale-slots shows one report: slots are"),
    (["walk-cost", *["{run}"] * 5, "-o", "x.svg"], "5 reports: at most 4"),
    (["walk-cost", "{run}", "--scale=log"], "-o FILE"),
    (["stale-slots", "{run}", "--scale=log", "-o", "x.svg"], "has the linear scale only"),
    (["walk-cost", "{run}", "--scale=cubic", "-o", "x.svg"], "'log', 'linear'"),
    (["walk-and-shootdown", "{run}"], "no valid rows for walk-and-shootdown (needs flush_walk_bench --walk="),
])
def test_what_plot_cannot_do_is_one_line_and_exit_2(
        make_report: Make, capsys: pytest.CaptureFixture[str], arguments: list[str],
        why: str) -> None:
    run = str(make_report(shootdowns=("none",), repetitions=1))
    words = [word.replace("{run}", run) for word in arguments]
    try:
        status = plot.main(words)
    except SystemExit as end:
        status = int(end.code or 0)
    printed = capsys.readouterr()
    assert status == 2 and printed.out == ""
    assert printed.err.count("\n") == 1 and why in printed.err


def test_plot_tells_what_the_rows_do_not_give(
        make_report: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot.main(["all", str(make_report(shootdowns=("none",)))]) == 0
    said = capsys.readouterr().out
    assert "walk-and-shootdown: no valid rows (needs flush_walk_bench --walk=" in said


def test_a_report_without_rows_is_not_left_out_silently(
        make_report: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(make_report("with")), str(make_report("without", shootdowns=("noop",)))]
    assert plot.main(["walk-cost", *folders, "-o", str(tmp_path / "x.svg")]) == 2
    assert f"{folders[1]}: no valid rows for walk-cost" in capsys.readouterr().err
    assert not (tmp_path / "x.svg").exists()
