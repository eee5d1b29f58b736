"""Comparisons one can believe: the paired ratio of two walks, or of two ways (a walk and its
check), with its interval and a word.

Contract: the unit is the pair, two rows of one repetition which were sampled in turn (A B B A), so
a machine that drifts slows both alike. For each pair the ratio of the medians is taken; the result
is the median ratio over the pairs with a 95 % bootstrap interval. The resampling is seeded: the
same folder always gives the same figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from flushwalk.results import AXES

BASELINE_WALK = "free_list"
RIVALS = ("walk", "check")  # what rows of a repetition that were sampled in turn may differ in
CONFIDENCE = 0.95
RESAMPLES = 4999
SEED = 20230523
# With five pairs the widest interval of a median, from the lowest to the highest ratio, misses
# the truth once in 16 (2 * 0.5**5): it is widened to Student's there. With fewer there is no
# interval worth the name. Of 1,000 comparisons of identical work each, with 5 to 40 pairs of
# normal, bimodal and long-tailed noise, 1.4 % to 5.3 % came out as a difference.
MIN_PAIRS = 5

RATIO_COLUMNS = ("ratio", "ratio_low", "ratio_high", "pairs", "verdict")
_ONE_REPETITION = ("repetition", "attempt")


class Way(NamedTuple):
    """A walk and how it looks at a block."""

    walk: str
    check: str


BASELINE_WAY = Way(BASELINE_WALK, "locked")  # the kernel's until v6.4


@dataclass(frozen=True)
class Ratio:
    """How many times as dear one walk is as the other. low and high are NaN with too few pairs."""

    ratio: float
    low: float
    high: float
    pairs: int

    @property
    def verdict(self) -> str:
        """dearer, cheaper, or not resolved."""
        if self.pairs < MIN_PAIRS or math.isnan(self.low):
            return "not resolved"
        if self.low > 1.0:
            return "dearer"
        if self.high < 1.0:
            return "cheaper"
        return "not resolved"


def ratio_of_pairs(log_ratios: NDArray[np.float64]) -> Ratio:
    """The median of the ratios, of which the natural logarithms are given, with its interval."""
    count = len(log_ratios)
    if count == 0:
        return Ratio(math.nan, math.nan, math.nan, 0)
    centre = math.exp(float(np.median(log_ratios)))
    if count < MIN_PAIRS:
        return Ratio(centre, math.nan, math.nan, count)
    draws = np.random.default_rng(SEED).integers(0, count, size=(RESAMPLES, count))
    medians = np.median(log_ratios[draws], axis=1)
    tail = _tail(count)
    low, high = (float(bound) for bound in np.quantile(medians, [tail, 1.0 - tail]))
    if count == MIN_PAIRS:
        middle = float(np.mean(log_ratios))
        reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2.0, count - 1) * stats.sem(log_ratios))
        low, high = min(low, middle - reach), max(high, middle + reach)
    return Ratio(centre, math.exp(low), math.exp(high), count)


def _tail(count: int) -> float:
    """The share of resamples to cut at each end.

    Resampling from few values understates their spread by sqrt((n - 1) / n), and a normal tail is
    too thin for them; both are put right by cutting less (the expanded percentile interval).
    """
    quantile = stats.t.ppf(0.5 + CONFIDENCE / 2.0, count - 1) * math.sqrt(count / (count - 1.0))
    return float(stats.norm.cdf(-quantile))


def median_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median; NaN with fewer than MIN_PAIRS values."""
    count = len(values)
    if count < MIN_PAIRS:
        return math.nan, math.nan
    draws = np.random.default_rng(SEED).integers(0, count, size=(RESAMPLES, count))
    tail = _tail(count)
    low, high = np.quantile(np.median(values[draws], axis=1), [tail, 1.0 - tail])
    return float(low), float(high)


def pair_ratios(rows: pd.DataFrame, walk: str, baseline: str = BASELINE_WALK,
                per: str | None = None) -> pd.DataFrame:
    """One row for each pair in `rows`: its key and `log_ratio`, of walk over baseline.

    With `per`, the times are divided by that column first (visited_blocks: a ratio of the cost of
    one visited block). Pairs of which one half is missing, or not positive, are left out.
    """
    return _pairs(rows, rows["walk"] == walk, rows["walk"] == baseline, AXES, per)


def way_ratios(rows: pd.DataFrame, baseline: Way = BASELINE_WAY,
               per: str | None = None) -> pd.DataFrame:
    """One row for each case in `rows` that has a pair with the baseline way of the same load: its
    report, walk and axes, ratio, ratio_low, ratio_high, pairs and verdict. `per` as above; the
    baseline itself is 1."""
    load = [axis for axis in AXES if axis not in RIVALS]
    case = ["report", *RIVALS, *load]
    is_baseline = (rows["walk"] == baseline.walk) & (rows["check"] == baseline.check)
    everyone = pd.Series(True, index=rows.index)
    pairs = _pairs(rows, everyone, is_baseline, load, per, also=RIVALS)
    found = [(*key, *_cells(ratio_of_pairs(group["log_ratio"].to_numpy(dtype=np.float64))))
             for key, group in pairs.groupby(case, sort=False)]
    return pd.DataFrame(found, columns=[*case, *RATIO_COLUMNS])


def geometric_mean(ratios: Sequence[float]) -> float:
    """NaN of none."""
    return math.exp(float(np.mean(np.log(ratios)))) if len(ratios) else math.nan


def _pairs(rows: pd.DataFrame, ours: pd.Series, theirs: pd.Series, axes: Sequence[str],
           per: str | None, also: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of `ours` each beside that of `theirs` of the same report, axes and repetition."""
    key = ["report", *axes, *_ONE_REPETITION]
    value = rows["p50"] if per is None else rows["p50"] / rows[per]
    usable = np.isfinite(value) & (value > 0)
    valued = rows.assign(value=value)
    pairs = valued.loc[ours & usable, [*key, *also, "value"]].merge(
        valued.loc[theirs & usable, [*key, "value"]], on=key, suffixes=("", "_baseline"))
    return pairs.assign(log_ratio=np.log(pairs["value"] / pairs["value_baseline"]))


def _cells(found: Ratio) -> tuple[float, float, float, int, str]:
    return found.ratio, found.low, found.high, found.pairs, found.verdict


def with_ratios(frame: pd.DataFrame, rows: pd.DataFrame, baseline: str = BASELINE_WALK,
                per: str | None = None) -> pd.DataFrame:
    """`frame` (one row for each case, see measures.py) with the columns ratio, ratio_low,
    ratio_high, pairs and verdict: each walk against the baseline of the same axes, from `rows`.
    They are empty for the baseline itself and where there is no pair.
    """
    key = ["report", *AXES]
    found: dict[tuple[object, ...], Ratio] = {}
    for walk in frame["walk"].unique():
        if walk == baseline:
            continue
        pairs = pair_ratios(rows, str(walk), baseline, per)
        for case, group in pairs.groupby(key, sort=False):
            found[(walk, *case)] = ratio_of_pairs(group["log_ratio"].to_numpy(dtype=np.float64))
    cells = [found.get(tuple(case)) for case in frame[["walk", *key]].itertuples(index=False)]
    return frame.assign(
        ratio=[cell.ratio if cell else math.nan for cell in cells],
        ratio_low=[cell.low if cell else math.nan for cell in cells],
        ratio_high=[cell.high if cell else math.nan for cell in cells],
        pairs=[cell.pairs if cell else 0 for cell in cells],
        verdict=[cell.verdict if cell else "" for cell in cells],
    )
