"""Whether a difference is more than chance: rank tests, their correction for many, and drift.

Contract: plain numbers in, p values and effects out; nothing in here knows of reports. The tests
are of ranks, because of what noise on a busy machine looks like (a vCPU that is taken away makes
some samples several times as long): they ask nothing of its shape.

- `signed_rank`: pairs. Where both halves of a pair did the same work in a random order, each
  logarithm of a ratio could as well have had the other sign. That is all that is assumed, and the
  chance of what was seen is counted out over all signs, ties included.
- `rank_sum`: two runs that are no pairs, on the same grounds: who has which of the times is random.
  Of up to 20 repetitions each it is counted out, else approximated.

Either has a floor: six pairs cannot be surer than 2 in 64. A table of many comparisons of few pairs
may therefore resolve nothing, whatever its ratios are; `floor_of_pairs` tells.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Callable, NamedTuple, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Numbers = NDArray[np.float64]

_MOST_COUNTED_PAIRS = 200  # beyond, the normal approximation is good to four digits
_MOST_COUNTED_RUN = 20


class Test(NamedTuple):
    """p: two-sided. effect, from -1 to 1: of pairs the rank-biserial correlation, of runs Cliff's
    delta (how much more often one of B is longer than one of A than shorter); 0: no effect."""

    p: float
    effect: float


class Drift(NamedTuple):
    """Of a series: p of Spearman's rank correlation with its order; and what its second half's
    median is more than its first's (both NaN of fewer than six)."""

    p: float
    change: float


def signed_rank(differences: Numbers) -> Test:
    """Wilcoxon's test that differences (B minus A) are as often as much above 0 as below."""
    moved = differences[differences != 0]
    if len(moved) == 0:
        return Test(1.0, 0.0)
    doubled = np.rint(2 * stats.rankdata(np.abs(moved))).astype(np.int64)  # ties have halves
    total, above = int(doubled.sum()), int(doubled[moved > 0].sum())
    effect = 2 * above / total - 1
    if len(moved) <= _MOST_COUNTED_PAIRS:
        up_to = _chances_of_sums(tuple(sorted(doubled.tolist())))
        tail = float(up_to[min(above, total - above)])
    else:
        away = abs(above - total / 2) / math.sqrt(float((doubled.astype(float) ** 2).sum()) / 4)
        tail = float(special.ndtr(-away))
    return Test(min(1.0, 2 * tail), effect)


@lru_cache(maxsize=4096)
def _chances_of_sums(doubled_ranks: tuple[int, ...]) -> Numbers:
    """The chance that the ranks with a plus add up to at most 0, 1, 2, ..."""
    chances = np.zeros(sum(doubled_ranks) + 1)
    chances[0] = 1.0
    for rank in doubled_ranks:
        with_it = np.zeros_like(chances)
        with_it[rank:] = chances[:-rank]
        chances = (chances + with_it) / 2
    return np.minimum(np.cumsum(chances), 1.0)


def floor_of_pairs(pairs: int) -> float:
    """The smallest p that so many pairs can have."""
    return 2.0 ** (1 - pairs)


def rank_sum(ours: Numbers, theirs: Numbers) -> Test:
    """Mann and Whitney's test that values of `theirs` (B) are as often above `ours` (A) as below."""
    found = stats.mannwhitneyu(theirs, ours, alternative="two-sided",
                               method=_method(ours, theirs))
    return Test(float(found.pvalue), 2 * float(found.statistic) / (len(ours) * len(theirs)) - 1)


def chance_of_less(ours: Numbers, theirs: Numbers, bound: float) -> float:
    """p, one-sided, of `theirs` being more than `ours` by no more than `bound`."""
    return float(stats.mannwhitneyu(theirs - bound, ours, alternative="greater",
                                    method=_method(ours, theirs - bound)).pvalue)


def _method(ours: Numbers, theirs: Numbers) -> str:
    """SciPy counts out what has no ties."""
    together = np.concatenate([ours, theirs])
    few = max(len(ours), len(theirs)) <= _MOST_COUNTED_RUN
    return "exact" if few and len(np.unique(together)) == len(together) else "asymptotic"


def floor_of_runs(ours: int, theirs: int) -> float:
    """The smallest p that runs of so many repetitions can have."""
    return min(1.0, 2.0 / float(special.binom(ours + theirs, ours)))


def holm(chances: Sequence[float]) -> Numbers:
    """p values corrected for their number; NaN is none and stays.

    Holm's: the chance that even one of all differences is none stays below the level, however the
    comparisons hang together. A gate needs that, which fails at the first.
    """
    return _corrected(chances, lambda ordered: np.maximum.accumulate(
        ordered * np.arange(len(ordered), 0, -1)))


def benjamini_hochberg(chances: Sequence[float]) -> Numbers:
    """p values corrected for their number; NaN is none and stays.

    Benjamini and Hochberg's: of the differences that a table shows, one in twenty at most is none,
    on average; and where nothing differs, the chance of even one is 5 %. It holds for comparisons
    that are independent or err together, as those of a run do. A table needs that: with Holm's, 300
    comparisons of 12 pairs each, which cannot be surer than 2 in 4,096, would resolve nothing even
    where all pairs of all comparisons agree.
    """
    return _corrected(chances, lambda ordered: np.minimum.accumulate(
        (ordered * len(ordered) / np.arange(1, len(ordered) + 1))[::-1])[::-1])


def _corrected(chances: Sequence[float], correct: Callable[[Numbers], Numbers]) -> Numbers:
    """`correct` takes and gives the known ones, the smallest first."""
    values = np.asarray(chances, dtype=np.float64)
    corrected = values.copy()
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    corrected[order] = np.minimum(1.0, correct(values[order]))
    return corrected


def drift(series: Numbers) -> Drift:
    """Of values in the order of their repetitions."""
    count = len(series)
    if count < 6:
        return Drift(math.nan, math.nan)
    half = count // 2
    change = float(np.median(series[-half:]) - np.median(series[:half]))
    if np.ptp(series) == 0:
        return Drift(1.0, 0.0)
    return Drift(float(stats.spearmanr(np.arange(count), series)[1]), change)


def wandering(run: Numbers) -> float:
    """How far a run has come from where it was: the range of its values, single outliers aside;
    0 of repetitions that are independent, as far as drift and the rank correlation of neighbours
    tell."""
    ranks = stats.rankdata(run) - (len(run) + 1) / 2
    scale = float(np.dot(ranks, ranks))
    if len(run) < 6 or scale == 0:
        return 0.0
    neighbours = float(np.dot(ranks[1:], ranks[:-1])) / scale
    if drift(run).p > 0.05 and neighbours < 1.64 / math.sqrt(len(run)):
        return 0.0
    return float(np.ptp(np.median(np.lib.stride_tricks.sliding_window_view(run, 3), axis=1)))
