"""Latency by the number of responders, and the line through it: base + cost per responder.

The line is fitted to the medians of each number of responders by least squares of relative errors
(weights 1 / median squared): noise grows with the time, and the points lie powers of two apart, so
that unweighted squares would be of the last point alone. Its interval does not come from the
squares, whose theory wants independent normal errors, but from resampling the repetitions of each
number of responders: a few disturbed ones move neither the medians nor the interval much. What
resampling cannot see is that the truth may be no line. That is what held-out points are for: each
number of responders is predicted from all others, and the band of the line is widened by the largest
error of these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flushwalk.results import Results
from flushwalk.shootdown_measures import OPERATION, distributions, rank, usual
from flushwalk.statistics import MIN_PAIRS, RESAMPLES, SEED

MIN_COUNTS = 3  # numbers of responders
EXTRAPOLATED_CPUS = (64, 256, 1024)
MEASURED, FITTED, EXTRAPOLATED = "measured", "fitted", "extrapolated"
FLOOR = "membarrier"
_SERIES = ("mprotect", "munmap", "dontneed")  # besides the floor
_CURVE_POINTS = 24
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """time(n) = base + each * n, in ns, for n >= 1 responders.

    draws: the same of resampled repetitions, a row of base and each for each. errors: by number of
    responders predicted over measured - 1, of the line through the others."""

    base: float
    each: float
    draws: Floats
    errors: Mapping[int, float]

    @property
    def largest_error(self) -> float:
        return max(abs(error) for error in self.errors.values())

    def interval(self, values: Floats) -> tuple[float, float]:
        """95 %, of what each draw says."""
        low, high = np.quantile(values, [0.025, 0.975])
        return float(low), float(high)

    def at(self, responders: float) -> tuple[float, float, float]:
        """Time, low and high there. The band is that of the draws, widened by the largest error."""
        time = self.base + self.each * responders
        low, high = self.interval(self.draws[:, 0] + self.draws[:, 1] * responders)
        widened = self.largest_error * abs(time)
        return time, low - widened, high + widened


def fit(times: Mapping[int, Floats]) -> Line | None:
    """The line through times (ns) of repetitions by number of responders (1 or more); None with fewer
    than MIN_COUNTS numbers that have MIN_PAIRS repetitions."""
    counts = [count for count in sorted(times) if count > 0 and len(times[count]) >= MIN_PAIRS]
    if len(counts) < MIN_COUNTS:
        return None
    source = np.random.default_rng(SEED)
    medians = np.array([np.median(times[count]) for count in counts])
    resampled = np.column_stack([
        np.median(times[count][source.integers(0, len(times[count]),
                                               size=(RESAMPLES, len(times[count])))], axis=1)
        for count in counts])
    numbers = np.array(counts, dtype=np.float64)
    weights = 1.0 / medians**2
    base, each = _squares(numbers, medians[np.newaxis], weights)[0]
    errors = {}
    for at, count in enumerate(counts):
        others = np.arange(len(counts)) != at
        theirs = _squares(numbers[others], medians[np.newaxis, others], weights[others])[0]
        errors[count] = float((theirs[0] + theirs[1] * count) / medians[at] - 1.0)
    return Line(float(base), float(each), _squares(numbers, resampled, weights), errors)


def _squares(numbers: Floats, times: Floats, weights: Floats) -> Floats:
    """Base and each of the weighted least squares, for every row of times."""
    middle = np.average(numbers, weights=weights)
    away = (numbers - middle) * weights
    each = times @ away / (away @ (numbers - middle))
    return np.column_stack([times @ weights / weights.sum() - each * middle, each])


def _series(results: Results) -> pd.DataFrame:
    """Rows of up to three operations and of the floor, with their name as `series`."""
    rows = usual(results.shootdowns("operation_time"))
    rows = rows[rows["responders"] > 0]
    operations = rows[rows["arm"] == OPERATION]
    if operations.empty:
        return operations.assign(series="")
    numbers = operations.groupby("operation")["responders"].nunique()
    most = [name for name in numbers.index if numbers[name] == numbers.max()]
    chosen = [name for name in _SERIES if name in most] or sorted(most, key=rank)[:3]
    floor = rows[(rows["arm"] == FLOOR) & (rows["operation"] == chosen[0])]
    shown = operations[operations["operation"].isin(chosen)]
    return pd.concat([shown.assign(series=shown["operation"]), floor.assign(series=FLOOR)])


def by_responders(results: Results) -> pd.DataFrame:
    """For each report and series (an operation, or membarrier beside the first of them): a row of kind
    `measured` for each number of responders, and where a line can be fitted rows `fitted` up to the
    most responders measured and `extrapolated` up to 1,024 CPUs, with p50, low and high. base, each
    (ns), their _low and _high, largest_error and error (of a measured point, held out) stand in every
    row; they are NaN without a line. Nothing where no two numbers of responders were measured."""
    found: list[pd.DataFrame] = []
    for (report, series), rows in _series(results).groupby(["report", "series"], sort=False):
        measured = distributions(rows, ["report", "series", "responders"])
        if len(measured) < 2:
            continue
        line = fit({int(count): group["p50"].to_numpy(dtype=np.float64)
                    for count, group in rows.groupby("responders")})
        table = measured.assign(kind=MEASURED).sort_values("responders")
        if line is not None:
            table = table.assign(error=table["responders"].map(line.errors))
            table = pd.concat([table, _curve(line, table["responders"], report, series)])
        found.append(table.assign(**_facts(line)))
    if not found:
        return pd.DataFrame()
    table = pd.concat(found, ignore_index=True)
    return table if "error" in table else table.assign(error=math.nan)


def _facts(line: Line | None) -> dict[str, float]:
    names = ("base", "base_low", "base_high", "each", "each_low", "each_high", "largest_error")
    if line is None:
        return dict.fromkeys(names, math.nan)
    values = (line.base, *line.interval(line.draws[:, 0]), line.each,
              *line.interval(line.draws[:, 1]), line.largest_error)
    return dict(zip(names, values))


def _curve(line: Line, measured: pd.Series, report: object, series: object) -> pd.DataFrame:
    """The line as points: evenly on a logarithmic axis, and at each number of CPUs in question."""
    least, most = float(measured.min()), float(measured.max())
    wanted = [float(cpus - 1) for cpus in EXTRAPOLATED_CPUS if cpus - 1 > most]
    inside = np.geomspace(least, most, _CURVE_POINTS)
    rows: list[dict[str, Any]] = []
    kinds = [(FITTED, inside)]
    if wanted:
        kinds.append((EXTRAPOLATED,
                      np.unique([*np.geomspace(most, wanted[-1], _CURVE_POINTS)[:-1], *wanted])))
    for kind, numbers in kinds:
        for responders in numbers:
            time, low, high = line.at(float(responders))
            rows.append({"report": report, "series": series, "kind": kind,
                         "responders": float(responders), "p50": time, "low": low, "high": high})
    return pd.DataFrame(rows)
