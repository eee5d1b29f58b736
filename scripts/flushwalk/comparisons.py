"""Which cases are held against which: the pairs within one run, or the same cases of two runs.

Contract: a case is known by its name, which has every axis as /name:value. One row of a case and
repetition has the median over its threads. Valid rows only; what is left out is counted. Of a
metric in operations a second the ratio is that of the time which one takes, so that slower is
slower. Nothing in here prints.

- `pairs_of`: within a run, each case against the first one before it that was sampled in turn with
  it and differs from it in the fewest axes: a walk against the one named first, an arm with an
  injected delay against the case without. The unit is the pair of one repetition.
- `runs`: case by case, report B against report A. Their repetitions are no pairs, and are resampled
  apart. What differs from run to run whatever is measured (where memory came to lie) is in a ratio
  of two runs, and not in its interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from flushwalk import significance
from flushwalk.results import Report, ReportError, Results
from flushwalk.significance import Drift, Numbers
from flushwalk.statistics import LEVEL, Ratio, ratio_of_pairs, ratio_of_runs, table_level, words

# What is compared unless metrics are named: of each bench what it is about, and what a responder
# loses. The others are parts of these, or were taken in the same samples.
HEADLINES = ("flush_time", "shootdown_time", "round_time", "pair_time", "operation_time", "stall")
_PART_OF = {("flush_walk_bench", "shootdown_time"), ("patch_series_bench", "flush_time"),
            ("alloc_free_bench", "flush_time")}
# By the first part of a case's name: the axes in which cases that were sampled in turn may differ.
TURNS = {
    "flush_walk": ("walk", "check", "injected_delay_ns"),
    "flush_range": ("gather", "code"),
    "patch_series": ("revision",),
    "alloc_free": ("revision", "walk", "queues"),
    "xarray": ("container",),
    "shootdown": ("arm",),
    "shootdown_throughput": ("arm",),
}
INJECTED = "injected_delay_ns"
_KEY = ["case", "role", "metric", "unit"]
_ONCE = ["repetition", "attempt"]
_NONE = Drift(math.nan, math.nan)

Series = Mapping[tuple[str, str, str, str], pd.Series]


@dataclass(frozen=True)
class Comparison:
    """One case, and what it is held against (`baseline`: the case's name there)."""

    case: str
    baseline: str
    role: str
    metric: str
    unit: str
    before: float  # median over the repetitions, in `unit`: of the baseline, or of A
    after: float
    repetitions: tuple[int, int]
    ratio: Ratio
    time_drift: Drift  # of log times over the repetitions: of both halves of a pair, or the worse run
    ratio_drift: Drift  # of the log ratio of pairs

    @property
    def name(self) -> tuple[str, str, str]:
        return self.case, self.role, self.metric


@dataclass(frozen=True)
class Table:
    """Comparisons, their words (corrected for their number), and what was left out."""

    comparisons: tuple[Comparison, ...]
    words: tuple[str, ...]
    level: float  # the p that one more comparison would have needed
    paired: bool
    only_in: tuple[tuple[str, ...], tuple[str, ...]]  # cases: of A, of B
    invalid: tuple[int, ...]  # rows: of the run, or of A and of B
    rows: tuple[int, ...]  # all, likewise

    def smallest(self, comparison: Comparison) -> float:
        return comparison.ratio.smallest(self.level)

    def drifting(self) -> tuple[list[bool], list[bool]]:
        """For each comparison whether times, and the ratio of pairs, drift: at 5 %, corrected."""
        kinds = ([each.time_drift.p for each in self.comparisons],
                 [each.ratio_drift.p for each in self.comparisons])
        times, ratios = (list(significance.benjamini_hochberg(kind) <= LEVEL) for kind in kinds)
        return times, ratios


def axes_of(case: str) -> dict[str, str]:
    """{"": "flush_walk", "walk": "xarray", ...}, in the order of the name."""
    first, *parts = case.split("/")
    return {"": first, **{name: value for name, _, value in (part.partition(":") for part in parts)}}


def pairs_of(results: Results, metrics: Sequence[str] = ()) -> Table:
    """The pairs of one run. Raises ReportError where it has none."""
    rows = _rows(results.rows, metrics)
    series = _series(rows)
    baselines = _baselines(list(dict.fromkeys(rows["case"])))
    found = []
    for (case, *other), ours in series.items():
        baseline = baselines.get(case)
        theirs = series.get((baseline, *other)) if baseline else None
        if theirs is not None:
            found.append(_pairs(case, baseline, *other, theirs, ours))
    found = [each for each in found if each.ratio.pairs]
    if not found:
        raise ReportError(f"{_label(results)}: no two cases were sampled in turn"
                          f"{_of_metrics(metrics)}")
    return _table(found, True, ((), ()), [rows])


def runs(ours: Results, theirs: Results, metrics: Sequence[str] = ()) -> Table:
    """The cases of A (`ours`) in B. Raises ReportError where they have none in common. Arms with an
    injected delay say nothing of a machine and are left out."""
    both = [_rows(each.rows, metrics) for each in (ours, theirs)]
    both = [rows[rows["injected_delay_ns"].isna()] for rows in both]
    a, b = (_series(rows) for rows in both)
    found = [_runs(key, a[key], b[key]) for key in a if key in b]
    cases = [list(dict.fromkeys(rows["case"])) for rows in both]
    if not found:
        known = not set(cases[0]).isdisjoint(cases[1])
        why = "no case has valid rows in both" if known else "no case in common"
        raise ReportError(f"{_label(ours)}, {_label(theirs)}: {why}{_of_metrics(metrics)}")
    only = tuple(tuple(name for name in mine if name not in set(other))
                 for mine, other in (cases, cases[::-1]))
    return _table(found, False, only, both)


def exceeding(ours: Results, theirs: Results, table: Table, bound: float) -> list[Comparison]:
    """The comparisons of two runs in which B is slower by more than `bound` (0.05: 5 %): the
    interval's lower end is above it, and so is a test of that at 2.5 %, corrected by Holm's method:
    the chance that a gate fails without a reason is no more than that."""
    a, b = (_series(_rows(each.rows, [each_.metric for each_ in table.comparisons]))
            for each in (ours, theirs))
    log_bound = math.log1p(bound)
    chances = []
    for each in table.comparisons:
        key = (each.case, each.role, each.metric, each.unit)
        chances.append(significance.chance_of_less(
            *(_log_times(side[key], each.unit) for side in (a, b)), log_bound))
    corrected = significance.holm(chances)
    return [each for each, p in zip(table.comparisons, corrected)
            if p <= LEVEL / 2 and each.ratio.low > 1 + bound]


def _rows(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Those of the metrics, valid or not."""
    rows = rows[rows["unit"] != "bytes"]
    if metrics:
        return rows[rows["metric"].isin(metrics)]
    part = pd.Series(list(zip(rows["bench"], rows["metric"])), index=rows.index).isin(_PART_OF)
    return rows[rows["metric"].isin(HEADLINES) & ~part]


def _series(rows: pd.DataFrame) -> Series:
    """Of each case, role, metric and unit the medians by repetition, in their order."""
    usable = rows[rows["valid"] & (rows["samples"] > 0) & (rows["p50"] > 0)]
    medians = usable.groupby([*_KEY, *_ONCE], sort=False)["p50"].median()
    return {key: part.droplevel(_KEY).sort_index(level=["attempt", "repetition"])
            for key, part in medians.groupby(level=_KEY, sort=False)}


def _baselines(cases: Sequence[str]) -> dict[str, str]:
    """By case the one that it is held against."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    found = {}
    for case in cases:
        axes = axes_of(case)
        turns = TURNS.get(axes[""], ())
        load = tuple(item for item in axes.items() if item[0] not in turns)
        before = groups.setdefault(load, [])
        if before:
            found[case] = min(before, key=lambda other: _distance(axes, axes_of(other), turns))
        if INJECTED not in axes:
            before.append(case)
    return found


def _distance(axes: Mapping[str, str], other: Mapping[str, str], turns: Sequence[str]) -> int:
    return sum(axes.get(name) != other.get(name) for name in turns)


def _log_times(values: pd.Series, unit: str) -> Numbers:
    """Of operations a second those of the time that one takes."""
    logs = np.log(values.to_numpy(dtype=np.float64))
    return -logs if unit == "operations/s" else logs


def _pairs(case: str, baseline: str, role: str, metric: str, unit: str, theirs: pd.Series,
           ours: pd.Series) -> Comparison:
    together = pd.concat([theirs, ours], axis=1, keys=["before", "after"], join="inner")
    before, after = (_log_times(together[name], unit) for name in ("before", "after"))
    return Comparison(case, baseline, role, metric, unit, *together.median(),
                      (len(together), len(together)), ratio_of_pairs(after - before),
                      significance.drift((before + after) / 2), significance.drift(after - before))


def _runs(key: tuple[str, str, str, str], a: pd.Series, b: pd.Series) -> Comparison:
    case, role, metric, unit = key
    before, after = (_log_times(values, unit) for values in (a, b))
    drifts = [significance.drift(run) for run in (before, after)]
    worse = min(drifts, key=lambda drift: math.inf if math.isnan(drift.p) else drift.p)
    return Comparison(case, case, role, metric, unit, float(a.median()), float(b.median()),
                      (len(a), len(b)), ratio_of_runs(before, after), worse, _NONE)


def _table(found: Sequence[Comparison], paired: bool,
           only_in: tuple[tuple[str, ...], ...], rows: Iterable[pd.DataFrame]) -> Table:
    ratios = [each.ratio for each in found]
    frames = list(rows)
    return Table(tuple(found), tuple(words(ratios)), table_level(ratios), paired,
                 (only_in[0], only_in[1]), tuple(int((~each["valid"]).sum()) for each in frames),
                 tuple(len(each) for each in frames))


def _label(results: Results) -> str:
    report: Report = results.reports[0]
    return str(report.folder)


def _of_metrics(metrics: Sequence[str]) -> str:
    return f" (metrics: {', '.join(metrics)})" if metrics else ""
