"""The run in five lines: what each walk costs and leaves stale, a visited block, a shootdown, and
on which machine.

    python3 -m flushwalk.answer REPORT

Contract: every figure comes from valid rows of the run. What the run did not measure is said to be
so, with the flags of flush_walk_bench that would measure it.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import pandas as pd

from flushwalk import cli, measures, wording
from flushwalk.facts import UNKNOWN, Facts
from flushwalk.figures.stale_slots import left_stale
from flushwalk.machine_facts import is_emulated
from flushwalk.results import Results, load
from flushwalk.statistics import BASELINE_WALK, with_ratios

_WALKS = (BASELINE_WALK, "xarray")
_BACKEND = "mprotect_range"


def answer_lines(results: Results) -> tuple[str, ...]:
    """The five lines for the first of the reports."""
    report = results.reports[0]
    ours = results.only(report)
    rows = measures.walk_rows(ours)
    cases = measures.at_usual_size(with_ratios(measures.costs(rows), rows))
    by_walk = {str(case["walk"]): case for _, case in cases.iterrows()}
    return (
        *(_walk_line(walk, by_walk.get(walk), ours, with_size=walk == next(iter(by_walk), walk))
          for walk in _WALKS),
        _block_line(by_walk),
        _shootdown_line(ours, cases),
        _machine_line(report.machine, ours),
    )


def _walk_line(walk: str, case: pd.Series | None, results: Results, with_size: bool) -> str:
    name = wording.walk_name(walk)
    if case is None:
        wanted = results.invalid
        lost = wanted[(wanted["walk"] == walk) & (wanted["shootdown"] == "none")]
        return f"{name}: {_not_measured(f'--walk={walk} --shootdown=none', lost)}"
    text = f"{name}: {wording.time(case['p50_ns'])} a flush"
    if with_size:
        size = ", ".join(wording.axis_words(axis, float(case[axis])) for axis in
                         ("full_percent", "dirty_percent", "queues"))
        text += f" at {wording.count(case['blocks'], 'block')} ({size})"
    if walk != BASELINE_WALK:
        compared = wording.ratio(case["ratio"], case["ratio_low"], case["ratio_high"],
                                 int(case["pairs"]), case["verdict"])
        text += f", {compared}"
    return f"{text}, {stale_words(case, results)}"


def stale_words(case: pd.Series, results: Results) -> str:
    """What the walk of a case leaves stale, wherever it was counted for that load."""
    table = measures.stale_costs(results)
    for axis in ("walk", "blocks", "full_percent", "dirty_percent", "queues", "gather"):
        table = table[table[axis] == case[axis]]
    if table.empty:
        return "stale slots not measured"
    return left_stale(table.iloc[0])


def _block_line(by_walk: dict[str, pd.Series]) -> str:
    said = []
    for walk in _WALKS:
        name = wording.walk_name(walk)
        case = by_walk.get(walk)
        if case is None or math.isnan(case["visited_blocks"]):
            said.append(f"{name} not measured")
        elif case["visited_blocks"] == 0:
            said.append(f"{name} visits none")
        else:
            whole = wording.count(case["blocks"])
            visits = (f"visits all {whole}" if case["visited_blocks"] == case["blocks"] else
                      f"visits {wording.count(case['visited_blocks'])} of {whole}")
            time = wording.time(case["p50_ns"] / case["visited_blocks"])
            said.append(f"{name} {time} ({visits})")
    return f"a visited block: {', '.join(said)}"


def told_shootdown(results: Results, cases: pd.DataFrame) -> pd.DataFrame:
    """The walks' flushes with a shootdown at the usual size, at the load of `cases` if there are
    any: one backend, the fewest responders that take it; with ratios to the free list's."""
    table = measures.shootdown_costs(results)
    table = table[~table["shootdown"].isin(measures.CONTROLS) & (table["responders"] > 0)
                  & (table["shootdown_calls"] > 0)]
    for axis in ("dirty_percent", "queues"):
        if len(cases) and not table.empty:
            table = table[table[axis] == cases.iloc[0][axis]]
    if table.empty:
        return table
    table = measures.at_usual_size(table)
    table = table[table["shootdown"] == measures.pick(table, "shootdown", _BACKEND)]
    # A case of an array of ranges makes many.
    table = table[table["gather"] == measures.pick(table, "gather", measures.USUAL["gather"])]
    table = table[table["responders"] == table["responders"].min()]
    rows = results.flushes()
    same = np.logical_and.reduce([rows[axis] == table.iloc[0][axis] for axis in (
        "shootdown", "gather", "responders", "blocks", "full_percent")])
    return with_ratios(table, rows[same])


def _shootdown_line(results: Results, cases: pd.DataFrame) -> str:
    table = told_shootdown(results, cases)
    if table.empty:
        wanted = results.invalid
        lost = wanted[~wanted["shootdown"].isin(("none", *measures.CONTROLS))
                      & (wanted["responders"] > 0)
                      & (wanted["role"] == "initiator")]
        needs = f"--shootdown={_BACKEND} --responders=1 and a second CPU"
        return f"one shootdown: {_not_measured(needs, lost)}"
    # The walk before it disturbs the shootdown least where it is shortest.
    case = table.sort_values("walk_ns").iloc[0]
    number = int(case["responders"])
    head = f"one shootdown ({case['shootdown']}, {wording.count(number, 'responder')})"
    return f"{head}: {_initiators_part(case)}, {_stall(case, number)}, {_proof(case)}"


def _initiators_part(case: pd.Series) -> str:
    part, low, high = (case[name] / case["shootdown_calls"] for name in
                       ("shootdown_ns", "shootdown_low_ns", "shootdown_high_ns"))
    return f"{wording.estimate(part, low, high)} at the initiator"


def _stall(case: pd.Series, responders: int) -> str:
    who = "the responder" if responders == 1 else f"each of {responders} responders"
    if math.isnan(case["stall_ns"]):
        return f"stall of {who} not measured"
    return f"{wording.time(case['stall_ns'])} stall at {who}"


def _proof(case: pd.Series) -> str:
    if not case["shootdowns_expected"] > 0:
        return "proof not measured"
    return (f"{wording.count(case['shootdowns_proven'])} of "
            f"{wording.count(case['shootdowns_expected'])} proven in its valid rows")


def _machine_line(machine: Facts, results: Results) -> str:
    rows = results.rows
    invalid = len(results.invalid)
    left_out = f"{wording.count(invalid)} of {wording.count(len(rows), 'row')} invalid"
    if invalid:
        left_out += f" and left out (most often: {_most_often(results.invalid)})"
    release = machine.text("kernel.release")
    linux = f"Linux {release}" if release != UNKNOWN else "kernel unknown"
    what = ", ".join([machine.text("cpu.model"), *_traits(machine), linux])
    return f"machine: {what}; {left_out}"


def _traits(machine: Facts) -> list[str]:
    traits = []
    usable = machine.text("topology.usable_cpus")
    traits.append(f"CPUs {usable}" if usable != UNKNOWN else "CPUs unknown")
    vendor = machine.text("hypervisor.vendor")
    if is_emulated(machine):
        traits.append("emulated: its times mean nothing")
    elif vendor == UNKNOWN:
        traits.append("hypervisor unknown")
    elif vendor != "none":
        traits.append(f"guest (CPUID: {vendor})")
    if machine.value("perf.hardware_pmu") is False:
        traits.append("no PMU")
    return traits


def _most_often(invalid: pd.DataFrame) -> str:
    reasons = invalid["invalid_reason"].replace("", "no reason given").value_counts()
    return str(reasons.index[0])


def _not_measured(needs: str, lost: pd.DataFrame) -> str:
    if len(lost):
        return (f"not measured: {wording.count(len(lost), 'row')} there "
                f"{'is' if len(lost) == 1 else 'are'}, but none valid "
                f"(most often: {_most_often(lost)})")
    return f"not measured (needs {needs})"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.Parser(prog="answer", description="The run in five lines.")
    parser.add_argument("report", metavar="REPORT", type=Path, help="a report folder")
    options: Any = parser.parse_args(arguments)

    def work() -> int:
        print("\n".join(answer_lines(load([options.report]))))
        return 0

    return cli.run("answer", work)


if __name__ == "__main__":
    sys.exit(main())
