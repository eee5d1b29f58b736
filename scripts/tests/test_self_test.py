"""The self-test's judgements; what it measures is flush_walk_bench's."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from flushwalk import self_test
from flushwalk.results import ReportError, load

Make = Callable[..., Path]


def arms(make_report: Make, own: dict[int, float], noise: float = 0.001) -> Path:
    """A folder of plain cases and arms, of repetitions in turn; `own`: by delay what it really
    multiplies the time by. A plain flush takes 100 us."""
    kinds = [None, *own]
    random_source = random.Random(6)

    def change(row: dict[str, Any]) -> None:
        kind = kinds[row["repetition"] % len(kinds)]
        row["repetition"] //= len(kinds)
        time = 1e5 * random_source.lognormvariate(0.0, noise)
        row["p50"] = f"{time * (1.0 if kind is None else own[kind]):.3f}"
        if kind is not None:
            row["case"] = row["case"].replace("/gather", f"/injected_delay_ns:{kind}/gather")
            row["injected_delay_ns"] = kind

    return make_report(walks=("xarray",), shootdowns=("none",), responders=(0,),
                       repetitions=40 * len(kinds), change=change)


@pytest.mark.parametrize(("own", "noise", "judgements"), [
    ({0: 1.0, 2000: 1.02, 10000: 1.1}, 0.001, ["right", "right", "right"]),
    ({0: 1.02, 2000: 1.02}, 0.001, ["WRONG", "right"]),  # identical work, called slower
    ({0: 1.0, 2000: 0.98}, 0.001, ["right", "WRONG"]),  # a delay, called faster
    ({0: 1.0, 2000: 1.0}, 0.001, ["right", "missed"]),  # a delay that was never spun
    ({0: 1.0, 2000: 1.02}, 0.15, ["right", "right"]),  # too small for this noise, and said so
])
def test_a_word_is_judged_by_what_was_planted(make_report: Make, own: dict[int, float],
                                              noise: float, judgements: list[str]) -> None:
    found = self_test.findings(load([arms(make_report, own, noise)]))
    assert [finding.judgement for finding in found] == judgements
    assert [finding.planted for finding in found] == pytest.approx(
        [1 + delay / 1e5 for delay in own], rel=1e-3)
    status = self_test._verdict(found)
    assert status == (0 if set(judgements) == {"right"} else 1)


def test_a_bench_that_fails_is_one_line(tmp_path: Path) -> None:
    bench = tmp_path / "bench"
    with pytest.raises(ReportError, match="not built"):
        self_test.run(bench)
    bench.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('bench: no memory')\n")
    bench.chmod(0o755)
    with pytest.raises(ReportError, match="bench failed: bench: no memory"):
        self_test.run(bench)
