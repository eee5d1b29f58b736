"""Time left and how it is shown."""

from __future__ import annotations

import io

import pytest

from flushwalk import plan, progress, sweeps
from flushwalk.child import as_progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def two_sweeps() -> list[sweeps.Sweep]:
    return [
        sweeps.FlushWalk("small", blocks=(64,), samples=1000, repetitions=10),
        sweeps.FlushWalk("large", blocks=(4096, 65536), samples=100, repetitions=10),
    ]


@pytest.mark.parametrize(
    "seconds, words",
    [(0, "0 s"), (-3, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"),
     (4210, "1 h 10 min")],
)
def test_in_words(seconds: float, words: str) -> None:
    assert progress.in_words(seconds) == words


def test_starts_from_the_estimate() -> None:
    left = progress.TimeLeft(two_sweeps(), Clock())
    assert left.fraction == 0
    assert left.seconds_left == pytest.approx(plan.total_seconds(two_sweeps()))


def run_through(planned: list[sweeps.Sweep], speed: float) -> list[tuple[float, float]]:
    """Real and predicted time left at each step, if all takes `speed` times the estimate."""
    clock = Clock()
    left = progress.TimeLeft(planned, clock)
    remaining = speed * plan.total_seconds(planned)
    seen = []
    for sweep in planned:
        left.begin(sweep)
        clock.now += speed * sweeps.SECONDS_PER_SWEEP
        remaining -= speed * sweeps.SECONDS_PER_SWEEP
        cases = sweep.cases()
        total = len(cases) * sweep.repetitions
        for step in range(0, total, 2):  # the bench tells of both rivals in one line
            case = cases[step % len(cases) + 1]
            clock.now += speed * 2 * case.seconds / sweep.repetitions
            remaining -= speed * 2 * case.seconds / sweep.repetitions
            left.step(case.name, step + 2, total)
            seen.append((remaining, left.seconds_left))
    assert left.fraction == pytest.approx(1.0)
    return seen


@pytest.mark.parametrize("speed", [0.3, 1.0, 4.0])
def test_follows_what_the_machine_needs(speed: float) -> None:
    seen = run_through(two_sweeps(), speed)
    whole = seen[0][0]
    for real, predicted in seen[len(seen) // 4 :]:
        assert predicted == pytest.approx(real, abs=0.1 * whole)
    assert seen[-1][1] == pytest.approx(0, abs=1e-6)


def test_fraction_never_goes_back_nor_past_the_end() -> None:
    planned = two_sweeps()
    left = progress.TimeLeft(planned, Clock())
    left.begin(planned[0])
    before = 0.0
    for done, total in ((1, 20), (1, 20), (0, 20), (5, 20), (19, 20), (20, 20), (30, 20), (3, 0)):
        left.step("unknown case", done, total)
        assert before <= left.fraction <= 1
        before = left.fraction


def test_a_sweep_that_failed_counts_as_over() -> None:
    planned = two_sweeps()
    left = progress.TimeLeft(planned, Clock())
    left.begin(planned[0])
    left.begin(planned[1])
    assert left.fraction == pytest.approx(planned[0].seconds() / plan.total_seconds(planned))


def test_a_sweep_that_is_called_again_has_lost_a_case() -> None:
    planned = two_sweeps()
    left = progress.TimeLeft(planned, Clock())
    left.begin(planned[0])
    left.begin(planned[1])
    names = [case.name for case in planned[1].cases()]
    rest = planned[1].among(set(names[1:]))
    assert rest is not None
    left.step(names[0], 3, 40)
    left.go_on(rest)
    total = plan.total_seconds(planned)
    assert left.fraction == pytest.approx(1 - rest.seconds() / total)
    left.step(names[-1], 10, 10)
    assert left.fraction == pytest.approx(1.0)


def test_without_a_terminal_a_line_every_ten_seconds() -> None:
    clock, out = Clock(), io.StringIO()
    left = progress.TimeLeft(two_sweeps(), clock)
    with progress.Lines(out, clock) as shown:
        for _ in range(100):
            shown.tick(progress.Place("flush_walk/x", 3, 40), left)
            clock.now += 0.25
    lines = out.getvalue().splitlines()
    assert len(lines) == 3  # at 0, 10 and 20 s of 25
    assert lines[0].startswith("  0%")
    assert lines[0].endswith(" left  3/40  flush_walk/x")


def test_no_terminal_gets_lines_and_a_terminal_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert isinstance(progress.display(io.StringIO()), progress.Lines)
    monkeypatch.setenv("FORCE_COLOR", "1")  # colours do not make a terminal
    assert isinstance(progress.display(io.StringIO()), progress.Lines)
    monkeypatch.delenv("FORCE_COLOR")
    assert isinstance(progress.display(Terminal()), progress.Bar)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress.display(Terminal()), progress.Lines)


def test_the_bar_shows_percent_case_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=150)
    planned = two_sweeps()
    left = progress.TimeLeft(planned, Clock())
    left.begin(planned[0])
    left.begin(planned[1])
    with progress.Bar(console) as shown:
        case = "flush_walk/walk:xarray/gather:hull/shootdown:none/blocks:[64]"
        shown.tick(progress.Place(case, 7, 100), left)
        shown.say("flush_walk_bench: [note]")
    text = out.getvalue()
    assert "walk:" not in text and "hull" not in text
    assert "7/100  none blocks:[64]" in text and " left" in text and " %" in text
    assert "flush_walk_bench: [note]" in text


@pytest.mark.parametrize(
    "line",
    ["", "{", "[1]", '{"case": 1, "done": 1, "total": 2}', '{"done": 1, "total": 2}', "null",
     '{"case": "x", "done": 1, "total": 2, "finished": "x"}', "Run on (2 X 2400 MHz CPU s)"],
)
def test_other_lines_are_no_progress(line: str) -> None:
    assert as_progress(line) is None


def test_a_progress_line() -> None:
    line = '{"case": "flush_walk/x", "done": 3, "total": 8, "seconds": 1.5}'
    assert as_progress(line)["done"] == 3
