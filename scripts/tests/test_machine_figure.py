"""topology.xml read, and drawn so that each CPU is found: any machine, any width."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable

import pandas as pd
import pytest
from synthetic_machines import topology_xml

from flushwalk import topology
from flushwalk.drawings import collect
from flushwalk.figures import FIGURES, machine, machine_boxes, output, style
from flushwalk.figures.machine_boxes import Box, Placed
from flushwalk.results import load
from flushwalk.sections import Context
from flushwalk.sections import machine as section

Make = Callable[..., Path]

MACHINES: dict[str, dict[str, Any]] = {
    "two sockets of two nodes": {"packages": 2, "nodes": 2, "cores": 16, "threads": 2},
    "eight L3s": {"l3s": 8, "cores": 8, "threads": 2},
    "hybrid": {"cores": 8, "threads": 2, "efficiency_cores": 8},
    "96 cores": {"cores": 96},
    "one CPU": {"cores": 1},
    "holes": {"l3s": 2, "cores": 8, "threads": 2, "usable": [0, 2, 3, 9, 20]},
    "1,024 CPUs": {"packages": 8, "l3s": 8, "cores": 8, "threads": 2},
}
ROLES = {"1,024 CPUs": {0: "initiator", **dict.fromkeys(range(1, 1024, 25), "responder")}}


def rows_of(tmp_path: Path, roles: dict[int, str] | None = None, **shape: Any) -> pd.DataFrame:
    """The figure's frame for a machine, without a run."""
    path = tmp_path / topology.FILE
    path.write_text(topology_xml(**shape))
    frame = pd.DataFrame([asdict(pu) for pu in topology.read(path)])
    frame.insert(0, "report", "run")
    frame["role"] = [(roles or {0: "initiator"}).get(cpu, "") for cpu in frame["cpu"]]
    return frame


def test_bitmaps_are_words_of_which_an_empty_one_is_zero() -> None:
    assert topology.cpus_of("0x00000005") == {0, 2}
    assert topology.cpus_of("0x1,,0x80000000") == {31, 64}
    assert topology.cpus_of("0x0") == set()


def test_each_cpu_is_read_with_what_it_belongs_to(tmp_path: Path) -> None:
    path = tmp_path / topology.FILE
    path.write_text(topology_xml(packages=2, nodes=2, l3s=2, cores=1, threads=2,
                                 usable=[0, 1, 33]))
    pus = topology.read(path)
    assert [pu.cpu for pu in pus] == list(range(16))
    assert [(pu.package, pu.numa_node, pu.l3, pu.core) for pu in pus[::5]] == [
        (0, 0, 0, 0), (0, 1, 2, 2), (1, 2, 5, 5), (1, 3, 7, 7)]
    assert {pu.cpu for pu in pus if pu.usable} == {0, 1}
    assert {(pu.l3_bytes, pu.kind) for pu in pus} == {(32 << 20, None)}
    path.write_text(topology_xml(cores=1, threads=2, efficiency_cores=2))
    assert [pu.kind for pu in topology.read(path)] == ["performance"] * 2 + ["efficiency"] * 2


@pytest.mark.parametrize("text", ["", "<html/>", "<topology/>", "<topology><object/></topology>",
                                  '<topology><object cpuset="0xf...f"/></topology>'])
def test_what_is_no_topology_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / topology.FILE
    path.write_text(text)
    with pytest.raises(topology.TopologyError) as refused:
        topology.read(path)
    assert str(refused.value).startswith(f"{path}: not a topology of hwloc's")
    assert "\n" not in str(refused.value)


def overlap(one: Placed, other: Placed) -> bool:
    """Unless one is inside the other."""
    return meet(one, other) and not inside(one, other) and not inside(other, one)


def inside(one: Placed, other: Placed) -> bool:
    slack = 1e-6
    return (one.left >= other.left - slack and one.top >= other.top - slack
            and one.left + one.width <= other.left + other.width + slack
            and one.top + one.height <= other.top + other.height + slack)


def meet(one: Placed, other: Placed) -> bool:
    slack = 1e-6
    return (one.left + slack < other.left + other.width and other.left + slack < one.left + one.width
            and one.top + slack < other.top + other.height
            and other.top + slack < one.top + one.height)


@pytest.mark.parametrize("width", [style.WIDE.width - 0.2, style.NARROW.width - 0.2])
@pytest.mark.parametrize("name", MACHINES)
def test_every_cpu_has_a_place_of_its_own_inside_the_strip(
        name: str, width: float, tmp_path: Path) -> None:
    frame = rows_of(tmp_path, ROLES.get(name), **MACHINES[name])
    placed, height = machine_boxes.place(machine_boxes.tree_of(frame), width)
    cells = [one for one in placed if not isinstance(one.what, Box)]
    for one in placed:
        assert one.left >= 0 and one.left + one.width <= width + 1e-6
        assert one.top >= 0 and one.top + one.height <= height + 1e-6
        if not isinstance(one.what, Box):
            words = len(one.what.words) * 0.074  # inches, as of the other figures
            assert words <= one.width
    boxes = [one for one in placed if isinstance(one.what, Box)]
    assert not any(overlap(one, other) for at, one in enumerate(boxes) for other in boxes[:at])
    assert not any(meet(one, other) for at, one in enumerate(cells) for other in cells[:at])
    assert not any(overlap(one, other) for one in cells for other in boxes)
    if machine_boxes.is_condensed(frame):
        drawn = sum(int(one.what.words.split()[0].replace(",", "")) if one.what.cpu is None else 1
                    for one in cells)
        assert drawn == len(frame) and len(cells) < 60
    else:
        assert sorted(one.what.cpu for one in cells) == sorted(frame["cpu"])
    assert height < 11  # inches: a page


def test_boxes_that_hold_one_box_are_drawn_as_one(tmp_path: Path) -> None:
    (guest,) = machine_boxes.tree_of(rows_of(tmp_path))
    assert guest.label == "package 0, NUMA node 0, L3 32 MiB"
    assert [[cell.words for cell in core.cells] for core in guest.boxes] == [["I 0"], ["1"]]
    (hybrid,) = machine_boxes.tree_of(rows_of(tmp_path, **MACHINES["hybrid"]))
    assert [box.label for box in hybrid.boxes] == ["8 performance cores", "8 efficiency cores"]
    packages = machine_boxes.tree_of(rows_of(tmp_path, **MACHINES["two sockets of two nodes"]))
    assert [[node.label for node in package.boxes] for package in packages] == [
        ["NUMA node 0, L3 32 MiB", "NUMA node 1, L3 32 MiB"],
        ["NUMA node 2, L3 32 MiB", "NUMA node 3, L3 32 MiB"]]


def test_too_many_cpus_are_counted_beside_those_that_had_a_role(tmp_path: Path) -> None:
    roles = {0: "initiator", 5: "responder", 300: "responder"}
    shape = {**MACHINES["1,024 CPUs"], "usable": range(512)}
    boxes = machine_boxes.tree_of(rows_of(tmp_path, roles, **shape))
    assert [[cell.words for cell in box.cells] for box in boxes][:4] == [
        ["I 0", "R 5", "126 more CPUs"], ["128 CPUs"], ["R 300", "127 more CPUs"], ["128 CPUs"]]
    assert [cell.usable for cell in boxes[7].cells] == [False]


def test_roles_are_those_of_the_rows(make_report: Make) -> None:
    folder = make_report()
    (folder / topology.FILE).write_text(topology_xml(cores=4))
    frame = machine.collect(load([folder]))
    assert list(frame["role"]) == ["initiator", "responder", "", ""]
    assert machine.sentence(frame) == (
        "1 package, 1 NUMA node, 1 L3 cache, 4 cores, 4 CPUs; initiator on 0, responder on 1.")
    assert machine.numbers(frame).rows == (("initiator", "0", "0", "0", "0", "0"),
                                           ("responder", "1", "0", "0", "0", "1"))


def test_the_section_begins_with_the_picture_where_there_is_a_topology(make_report: Make) -> None:
    folder = make_report()

    def kinds() -> list[str]:
        results = load([folder])
        return [block.kind for block in section.build(
            Context(results, collect(results, ["machine"]))).blocks]

    assert "picture" not in kinds()
    (folder / topology.FILE).write_text("no topology")
    assert "picture" not in kinds()
    (folder / topology.FILE).write_text(topology_xml(usable=[0]))
    assert kinds()[0] == "picture"
    drawn = collect(load([folder]), ["machine"])["machine"]
    picture = FIGURES["machine"].draw(drawn.frame, style.NARROW)
    svg = output.inline_svg(picture, "machine", "words")
    assert "var(--grid)" in svg and "var(--line-a)" in svg  # dark on a dark page, too
