"""scripts/compare --self-test: identical work and planted delays, measured here and compared.

Contract: flush_walk_bench samples each case in turn with arms of the same work (--inject-delay-ns):
one without a delay, which must not be called different, and two whose walk takes 2 % and 10 %
longer, which must be found, or else be too small for what this run says it could have resolved.
Exit 0; 1 where that does not hold. By chance alone it does not in one of twenty runs.
"""

from __future__ import annotations

import math
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from flushwalk import wording
from flushwalk.comparisons import INJECTED, Comparison, axes_of, pairs_of
from flushwalk.results import ReportError, Results, load
from flushwalk.statistics import FASTER, NOT_RESOLVED, SLOWER, table_level, words

BENCH = Path(__file__).resolve().parents[2] / "build" / "release" / "bin" / "flush_walk_bench"
BLOCKS = (1024, 4096, 16384)  # the delay's loop is as exact as a reading of the clock: some 20 ns
PLANTED = (0.02, 0.1)
_PILOT = ("--samples=20", "--repetitions=5")
# Many and short, so that what disturbs one leaves the others.
_REPETITIONS = 150
_REPETITION_NS = 5e5  # of one arm
_FAILED = 1


@dataclass(frozen=True)
class Finding:
    """What was said of one arm. planted: the ratio that it has by its making; 1: identical work."""

    comparison: Comparison
    planted: float
    word: str
    smallest: float

    @property
    def judgement(self) -> str:
        """right; missed: not resolved, though it should have been; too few: valid pairs; WRONG."""
        if math.isinf(self.smallest):
            return "too few"
        if self.word == FASTER or (self.word == SLOWER and self.planted == 1):
            return "WRONG"
        if self.word == NOT_RESOLVED and self.smallest < self.planted:
            return "missed"
        return "right"


def run(bench: Path = BENCH) -> int:
    """Measures (some ten seconds), prints a line for each arm, gives the exit code."""
    if not bench.exists():
        raise ReportError(f"{bench}: not built; scripts/compare --self-test builds it")
    with tempfile.TemporaryDirectory(prefix="flushwalk_self_test_") as scratch:
        folder = Path(scratch) / "run"
        for blocks in BLOCKS:
            case = ("--walk=xarray", f"--blocks={blocks}", "--full=50", "--counters=none")
            median = _median(_measured(bench, case, _PILOT, Path(scratch) / f"pilot_{blocks}"))
            delays = ",".join(str(round(share * median)) for share in (0.0, *PLANTED))
            samples = min(150, max(4, round(_REPETITION_NS / median)))
            _measured(bench, case, (f"--inject-delay-ns={delays}", f"--samples={samples}",
                                    f"--repetitions={_REPETITIONS}"), folder)
        found = findings(load([folder]))
    for finding in found:
        print(_line(finding))
    return _verdict(found)


def _measured(bench: Path, case: Sequence[str], effort: Sequence[str], folder: Path) -> Results:
    ended = subprocess.run([str(bench), *case, *effort, f"--out={folder}"], text=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE)
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        raise ReportError(f"{bench.name} failed: {said[-1]}")
    return load([folder])


def _median(pilot: Results) -> float:
    times = pilot.flushes()["p50"]
    if times.empty:
        raise ReportError("every repetition of the pilot run was invalid: is the machine busy?")
    return float(times.median())


def findings(results: Results) -> list[Finding]:
    """Of each arm in the results; the words of identical arms are those of a table of their own."""
    arms = pairs_of(results, ("flush_time",)).comparisons
    identical = [arm for arm in arms if _delay(arm) == 0]
    delayed = [arm for arm in arms if _delay(arm) > 0]
    return [Finding(arm, 1 + _delay(arm) / arm.before, word, arm.ratio.smallest(level))
            for group in (identical, delayed)
            for level in (table_level([arm.ratio for arm in group]),)
            for arm, word in zip(group, words(arm.ratio for arm in group))]


def _delay(arm: Comparison) -> float:
    return float(axes_of(arm.case).get(INJECTED, "nan"))


def _line(finding: Finding) -> str:
    arm = finding.comparison
    blocks = wording.count(float(axes_of(arm.case)["blocks"]), "block")
    what = ("identical work" if finding.planted == 1 else
            f"{wording.time(_delay(arm))} planted ({100 * (finding.planted - 1):.2g} %)")
    smallest = "nothing" if math.isinf(finding.smallest) else f"{100 * (finding.smallest - 1):.2g} %"
    return (f"{finding.judgement:7} {blocks:13} {what:28} found {arm.ratio.ratio:.4f} "
            f"({arm.ratio.low:.4f}-{arm.ratio.high:.4f}, {arm.ratio.pairs} pairs): {finding.word}; "
            f"could resolve {smallest}")


def _verdict(found: Sequence[Finding]) -> int:
    judgements = [finding.judgement for finding in found]
    wrong, missed = judgements.count("WRONG"), judgements.count("missed")
    planted = sum(finding.planted > 1 for finding in found)
    if 2 * judgements.count("too few") >= len(found):
        print("self-test failed: too few repetitions were undisturbed: stop what else runs here")
        return _FAILED
    if wrong or 2 * missed > planted:
        print(f"self-test failed: {wrong} wrong words, {missed} of {planted} planted delays missed "
              "(by chance one run in twenty fails: repeat it)")
        return _FAILED
    slower = sum(finding.planted > 1 and finding.word == SLOWER for finding in found)
    print(f"self-test passed: no wrong word, {slower} of {planted} planted delays found, "
          f"{missed} missed")
    return 0
