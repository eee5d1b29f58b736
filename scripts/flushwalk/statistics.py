"""Comparisons one can believe: the ratio of two walks, of two ways (a walk and its check) or of two
runs, with its interval, its word, and what could not have been seen.

Contract: the unit is the pair, two rows of one repetition which were sampled in turn (A B B A or
B A A B), so a machine that drifts slows both alike. For each pair the ratio of the medians is
taken; the result is the median ratio over the pairs with a 95 % bootstrap interval. Rows of two
runs are no pairs: their repetitions are resampled apart (ratio_of_runs). The resampling is seeded:
the same folder always gives the same figures.

A word needs two things: that the interval leaves out 1 and what is next to it (SAME), and that a
rank test (significance.py) finds a difference at 5 %, corrected for the number of comparisons in its
table. How often the words are wrong, and how often they find what was planted, is held by
test_calibration.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Iterable, NamedTuple, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from flushwalk import significance
from flushwalk.results import AXES

BASELINE_WALK = "free_list"
RIVALS = ("walk", "check")  # what rows of a repetition that were sampled in turn may differ in
CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
POWER = 0.9  # a smallest difference is one that would be found so often
RESAMPLES = 4999
SEED = 20230523
# Arms of the same work in one process (scripts/compare --self-test) came out up to 0.06 % apart, and
# stayed so through all 100 pairs of a run: each has some data of its own, which lies elsewhere. What
# is within 0.1 % is no difference, however sure its interval is.
SAME = 1.001
# Five pairs all on one side are seen once in 16 times by chance: they resolve nothing.
MIN_PAIRS = 6

RATIO_COLUMNS = ("ratio", "ratio_low", "ratio_high", "pairs", "verdict")
SLOWER, FASTER, NOT_RESOLVED = "slower", "faster", "not resolved"
_ONE_REPETITION = ("repetition", "attempt")

Numbers = NDArray[np.float64]


class Way(NamedTuple):
    """A walk and how it looks at a block."""

    walk: str
    check: str


BASELINE_WAY = Way(BASELINE_WALK, "locked")  # the kernel's until v6.4


@dataclass(frozen=True)
class Ratio:
    """How many times as long one takes as the other. low and high are NaN with too few pairs.

    p and effect: significance.Test. least_p: the smallest that p could have been. Of runs, pairs is
    the number of repetitions of the one that has fewer.
    """

    ratio: float
    low: float
    high: float
    pairs: int
    p: float = math.nan
    effect: float = math.nan
    least_p: float = math.nan

    @property
    def verdict(self) -> str:
        """The word of a comparison that stands alone."""
        return self.word(self.p)

    def word(self, p: float) -> str:
        """slower, faster or not resolved, with the p value that the table leaves it."""
        if self.pairs < MIN_PAIRS or not p <= LEVEL:
            return NOT_RESOLVED
        if self.low > SAME:
            return SLOWER
        return FASTER if self.high < 1.0 / SAME else NOT_RESOLVED

    def smallest(self, level: float = LEVEL) -> float:
        """The ratio above 1 that would have been found in nine of ten such runs, where a p of
        `level` is wanted (table_level); infinite where no ratio would."""
        if self.pairs < MIN_PAIRS or math.isnan(self.low) or not self.least_p <= level:
            return math.inf
        freedom = self.pairs - 1
        error = math.log(self.high / self.low) / 2 / stats.t.ppf(1 - LEVEL / 2, freedom)
        return SAME * math.exp(error * (stats.t.ppf(1 - level / 2, freedom)
                                        + stats.t.ppf(POWER, freedom)))


NO_RATIO = Ratio(math.nan, math.nan, math.nan, 0)


def words(ratios: Iterable[Ratio]) -> list[str]:
    """The words of a table, corrected for the number of its comparisons."""
    found = list(ratios)
    corrected = significance.benjamini_hochberg([ratio.p for ratio in found])
    return [ratio.word(float(p)) for ratio, p in zip(found, corrected)]


def table_level(ratios: Iterable[Ratio]) -> float:
    """The p that one more comparison of a table would have needed to be resolved."""
    chances = [ratio.p for ratio in ratios if not math.isnan(ratio.p)]
    resolved = int(np.sum(significance.benjamini_hochberg(chances) <= LEVEL))
    return LEVEL * min(1.0, (resolved + 1) / max(1, len(chances)))


def ratio_of_pairs(log_ratios: Numbers) -> Ratio:
    """The median of the ratios, of which the natural logarithms are given, with its interval."""
    return ratios_of_pairs(np.asarray(log_ratios, dtype=np.float64)[np.newaxis])[0]


def ratio_of_rows(ours: pd.DataFrame, theirs: pd.DataFrame) -> Ratio:
    """Of the rows of two cases: those of one repetition and attempt are a pair. Without a merge,
    which takes milliseconds: a report has some thousand such comparisons."""
    times, base = (dict(zip(zip(rows["repetition"], rows["attempt"]), rows["p50"]))
                   for rows in (ours, theirs))
    both = np.array([(time, base[once]) for once, time in times.items() if once in base])
    usable = both[(both > 0).all(axis=1)] if len(both) else np.ones((0, 2))
    return ratio_of_pairs(np.log(usable[:, 0] / usable[:, 1]))


def ratios_of_pairs(log_ratios: Numbers) -> list[Ratio]:
    """Of comparisons × pairs: a Ratio for each row."""
    count = log_ratios.shape[1]
    if count == 0:
        return [NO_RATIO] * len(log_ratios)
    centres = np.exp(np.median(log_ratios, axis=1))
    if count < MIN_PAIRS:
        return [Ratio(float(centre), math.nan, math.nan, count) for centre in centres]
    lows, highs = (np.exp(bound) for bound in _bounds(_medians(log_ratios), count))
    least = significance.floor_of_pairs(count)
    return [Ratio(float(centre), float(low), float(high), count,
                  *significance.signed_rank(row), least)
            for centre, low, high, row in zip(centres, lows, highs, log_ratios)]


def ratio_of_runs(ours: Numbers, theirs: Numbers) -> Ratio:
    """Of two runs that are no pairs: the median of `theirs` (B) over that of `ours` (A); both are
    natural logarithms, in the order of the repetitions.

    Repetitions of a run that wanders are not independent of each other, and resampling them says
    too little of what another run would bring: how far it wandered is added to the interval at both
    ends.
    """
    if not len(ours) or not len(theirs):
        return NO_RATIO
    fewer = min(len(ours), len(theirs))
    centre = math.exp(float(np.median(theirs) - np.median(ours)))
    if fewer < MIN_PAIRS:
        return Ratio(centre, math.nan, math.nan, fewer)
    spread = _medians(theirs[np.newaxis], stream=1) - _medians(ours[np.newaxis])
    (low,), (high,) = _bounds(spread, fewer)
    reach = significance.wandering(ours) + significance.wandering(theirs)
    return Ratio(centre, math.exp(low - reach), math.exp(high + reach), fewer,
                 *significance.rank_sum(ours, theirs),
                 significance.floor_of_runs(len(ours), len(theirs)))


def median_interval(values: Numbers) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median; NaN with fewer than MIN_PAIRS values."""
    count = len(values)
    if count < MIN_PAIRS:
        return math.nan, math.nan
    (low,), (high,) = _bounds(_medians(np.asarray(values, dtype=np.float64)[np.newaxis]), count)
    return float(low), float(high)


def _medians(rows: Numbers, stream: int = 0) -> Numbers:
    """The medians of RESAMPLES resamples of each row."""
    lower, upper = _middle_ranks(rows.shape[1], stream)
    ordered = np.sort(rows, axis=1)
    return (ordered[:, lower] + ordered[:, upper]) / 2


@lru_cache(maxsize=64)
def _middle_ranks(count: int, stream: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each resample of `count` values the ranks of its two middle ones: they are the same for
    all values, so a thousand comparisons draw once. Runs that are compared have a stream each."""
    draws = np.random.default_rng((SEED, stream)).integers(0, count, size=(RESAMPLES, count))
    middle = np.partition(draws, [(count - 1) // 2, count // 2], axis=1)
    return middle[:, (count - 1) // 2], middle[:, count // 2]


def _bounds(resampled: Numbers, count: int) -> tuple[Numbers, Numbers]:
    tail = _tail(count)
    low, high = np.quantile(resampled, [tail, 1.0 - tail], axis=1)
    return low, high


def _tail(count: int) -> float:
    """The share of resamples to cut at each end.

    Resampling from few values understates their spread by sqrt((n - 1) / n), and a normal tail is
    too thin for them; both are put right by cutting less (the expanded percentile interval).
    """
    quantile = stats.t.ppf(0.5 + CONFIDENCE / 2.0, count - 1) * math.sqrt(count / (count - 1.0))
    return float(stats.norm.cdf(-quantile))


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
    found = {key: ratio_of_pairs(group["log_ratio"].to_numpy(dtype=np.float64))
             for key, group in pairs.groupby(case, sort=False)}
    table = [(*key, ratio.ratio, ratio.low, ratio.high, ratio.pairs, word)
             for (key, ratio), word in zip(found.items(), words(found.values()))]
    return pd.DataFrame(table, columns=[*case, *RATIO_COLUMNS])


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
    word_of = dict(zip(found, words(found.values())))
    cells = [found.get(tuple(case)) for case in frame[["walk", *key]].itertuples(index=False)]
    return frame.assign(
        ratio=[cell.ratio if cell else math.nan for cell in cells],
        ratio_low=[cell.low if cell else math.nan for cell in cells],
        ratio_high=[cell.high if cell else math.nan for cell in cells],
        pairs=[cell.pairs if cell else 0 for cell in cells],
        verdict=[word_of.get(tuple(case), "")
                 for case in frame[["walk", *key]].itertuples(index=False)],
    )
