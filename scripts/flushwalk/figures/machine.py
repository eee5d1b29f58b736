"""The machine in the manner of lstopo, with what its CPUs did in the run drawn in."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Iterable, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle

from flushwalk import topology, wording
from flushwalk.figures import machine_boxes, style
from flushwalk.figures.base import Figure, Table
from flushwalk.results import Report, Results

ROLES = ("initiator", "responder", "worker")
BOTH = "initiator, responder"
_COLOURED = ("initiator", "responder", BOTH, "worker")
_BELONGS = ("package", "numa_node", "l3")


def collect(results: Results) -> pd.DataFrame:
    """A row for each CPU of each report that has a topology."""
    parts = []
    for report in results.reports:
        try:
            pus = topology.read(report.folder / topology.FILE)
        except (OSError, topology.TopologyError):
            continue  # an older report has none
        frame = pd.DataFrame([asdict(pu) for pu in pus])
        roles = _roles(results.only(report), report)
        frame.insert(0, "report", report.label)
        frame["role"] = [roles.get(cpu, "") for cpu in frame["cpu"]]
        parts.append(frame)
    if parts:
        return pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns=["report", *(f.name for f in fields(topology.Pu)), "role"])


def _roles(results: Results, report: Report) -> dict[int, str]:
    """What each CPU did in any of the report's rows. One that did the same thing as worker and as
    initiator is drawn as the latter."""
    rows = results.rows
    found: dict[int, list[str]] = {}
    for role in ROLES:
        for cpu in rows.loc[rows["role"] == role, "cpu"].dropna().unique():
            roles = found.setdefault(int(cpu), [])
            if role != "worker" or not roles:
                roles.append(role)
    return {cpu: ", ".join(roles) for cpu, roles in found.items()}


def _colour(role: str) -> str:
    return style.line_colour(_COLOURED.index(role))


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    reports = list(frame["report"].unique())
    roles = [role for role in _COLOURED if (frame["role"] == role).any()]
    keys = [style.patch_key(_key(role), _colour(role)) for role in roles]
    if not frame["usable"].all():
        keys.append(style.patch_key("not usable by this run", style.GRID))
    shown = [machine_boxes.place(machine_boxes.tree_of(frame[frame["report"] == report]),
                                 layout.width - 2 * style.EDGE) for report in reports]
    drawing, panels = style.new_strips(
        reports if len(reports) > 1 else [""], [height for _, height in shown], layout, TITLE,
        _summary(frame) if len(reports) == 1 else "", keys)
    for panel, (placed, _) in zip(panels, shown):
        for one in placed:
            _put(panel, one)
    return drawing


def _key(role: str) -> str:
    return f"{machine_boxes.letters_of(role)}: {role.replace(', ', ' and ')}"


def _put(panel: Axes, placed: machine_boxes.Placed) -> None:
    """Axes are inches from the strip's upper left corner."""
    what = placed.what

    def rectangle(face: str, edge: str, line: float) -> None:
        panel.add_patch(Rectangle(
            (placed.left, placed.top), placed.width, placed.height, facecolor=face, edgecolor=edge,
            linewidth=line, clip_on=False))

    if isinstance(what, machine_boxes.Box):
        rectangle("none", style.SOFT_INK, 0.8 if what.label else 0.5)
        panel.text(placed.left + 0.06, placed.top + 0.05,
                   "\n".join(machine_boxes.label_lines(what, placed.width)), va="top",
                   linespacing=1.25)
        return
    filled = what.role not in ("", "worker")
    ink = style.PAPER if filled else style.INK if what.usable else style.SOFT_INK
    if filled:
        rectangle(_colour(what.role), style.SOFT_INK, 0.4)
    elif what.role:
        rectangle(style.PAPER, _colour(what.role), 1.6)
    else:
        rectangle(style.PAPER if what.usable else style.GRID, style.SOFT_INK, 0.4)
    panel.text(placed.left + placed.width / 2, placed.top + placed.height / 2, what.words,
               ha="center", va="center", color=ink,
               fontweight="bold" if what.role else "normal")


def _counted(number: int, noun: str) -> str:
    return f"{wording.count(number)} {noun}{'s' if number != 1 else ''}"


def _summary(frame: pd.DataFrame) -> str:
    """2 packages, 4 NUMA nodes, 4 L3 caches, 64 cores, 128 CPUs, of which 8 were not usable"""
    parts = [_counted(frame[column].nunique(), noun) for column, noun in (
        ("package", "package"), ("numa_node", "NUMA node"), ("l3", "L3 cache"), ("core", "core"),
        ("cpu", "CPU")) if frame[column].notna().any()]
    unusable = int((~frame["usable"].astype(bool)).sum())
    return ", ".join(parts) + (f", of which {wording.count(unusable)} could not be used"
                               if unusable else "")


def cpu_ranges(cpus: Iterable[int]) -> str:
    """ "0-2,8"."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def _with_role(frame: pd.DataFrame, role: str) -> Sequence[int]:
    return [int(cpu) for cpu, roles in zip(frame["cpu"], frame["role"])
            if role in str(roles).split(", ")]


def sentence(frame: pd.DataFrame) -> str:
    said = []
    for report, part in frame.groupby("report", sort=False):
        name = f"{report}: " if frame["report"].nunique() > 1 else ""
        did = [f"{role} on {cpu_ranges(cpus)}" for role in ROLES
               if (cpus := _with_role(part, role))]
        said.append(f"{name}{_summary(part)}; {', '.join(did) or 'none was used'}.")
    return " ".join(said)


def reading(frame: pd.DataFrame) -> str:
    text = ("From topology.xml, which hwloc wrote when the run began (lstopo -i topology.xml draws "
            "all of it). Cores are boxes, their hardware threads cells with the kernel's numbers.")
    if any(machine_boxes.is_condensed(part) for _, part in frame.groupby("report")):
        text += (" There are too many CPUs to draw each: only those with a role are, and the others "
                 "are counted.")
    return text


def numbers(frame: pd.DataFrame) -> Table:
    """The CPUs with a role, and where they are."""
    several = frame["report"].nunique() > 1
    rows = []
    for row in frame[frame["role"] != ""].itertuples():
        places = [getattr(row, column) for column in (*_BELONGS, "core")]
        rows.append((*([str(row.report)] if several else []), str(row.role),
                     *("" if pd.isna(place) else f"{place:.0f}" for place in (row.cpu, *places))))
    headers = (*(["report"] if several else []), "role", "CPU", "package", "NUMA node", "L3",
               "core")
    return Table(headers, tuple(rows), words=2 if several else 1)


TITLE = "The machine, and who ran where"

FIGURE = Figure(
    name="machine", title=TITLE, needs=f"(any case: it writes {topology.FILE})",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence, reading=reading,
    scales=(style.LINEAR,), one_scale="It is a plan, whose sizes say nothing: it has no scale.")
