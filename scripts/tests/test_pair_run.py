"""scripts/run --pairs: which pairs are measured, and what becomes of those that fail."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from synthetic_shootdown import Writer, write_report

from flushwalk import machine_facts, options, pair_run, plan, shootdown_sweeps

# Adds the pair to a file; fails for some.
BENCH = """#!/bin/sh
for word in "$@"; do case "$word" in --cpus=*) pair="${word#--cpus=}" ;; esac; done
echo "$pair" >> "$(dirname "$0")/pairs"
case "$pair" in
2,*) echo "fake_bench: --cpus: 2 is not a usable CPU" >&2; exit 2 ;;
3,*) kill -9 $$ ;;
esac
"""


@pytest.fixture
def usable(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    cpus = [0, 1]
    monkeypatch.setattr(machine_facts, "usable_cpus", lambda: cpus)
    return cpus


def test_every_pair_in_both_directions() -> None:
    assert shootdown_sweeps.all_pairs([4, 0, 9]) == [(4, 0), (4, 9), (0, 4), (0, 9), (9, 4), (9, 0)]
    assert shootdown_sweeps.all_pairs([4]) == []


@pytest.mark.parametrize("arguments, cpus, pairs, cases", [
    ([], 2, 2, True), ([], 4, 12, True), ([], 5, 0, True), (["--full"], 16, 240, True),
    (["--full"], 17, 0, True), (["--pairs"], 5, 20, True), (["--pairs=all"], 5, 20, True),
    (["--pairs=only"], 5, 20, False), (["--pairs=none"], 2, 0, True),
    (["--filter=blocks:64/"], 2, 0, True), (["--filter=blocks:64/", "--pairs"], 2, 2, True),
    (["--pairs=only", "--cpus=0,3,5"], 8, 6, False), ([], 1, 0, True)])
def test_which_pairs_are_measured(usable: list[int], arguments: list[str], cpus: int, pairs: int,
                                  cases: bool) -> None:
    usable[:] = range(cpus)
    wanted = options.request(arguments)
    assert (len(wanted.pairs), bool(wanted.sweeps)) == (pairs, cases)


@pytest.mark.parametrize("arguments, said", [
    (["--pairs"], "--pairs: one CPU (0) is no pair"),
    (["--pairs=some"], "--pairs: invalid choice: 'some'"),
    (["--pairs=only", "--filter=x", "--cpus=0,1"], "--filter: with --pairs=only"),
    (["--pairs=only", "--cpus=0,7"], "--cpus: 7 is not a CPU")])
def test_bad_input_is_named(usable: list[int], arguments: list[str], said: str) -> None:
    usable[:] = [0] if "--cpus" not in " ".join(arguments) else [0, 1]
    with pytest.raises(options.BadInput, match=re.escape(said)) as error:
        options.request(arguments)
    assert "\n" not in str(error.value)


def test_a_dry_run_tells_of_the_pairs(usable: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    usable[:] = range(64)
    assert options.main(["--pairs=only", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "# 4,032 pairs of CPUs: 20 min 10 s",
        "# 4,032 pairs of CPUs, about 20 min 10 s of measuring"]


def test_the_call_of_a_pair_is_of_these_cpus_and_one_case() -> None:
    words = pair_run.command(Path("bin/shootdown_bench"), (3, 5), "reports/x", repetitions=2)
    assert words[0] == "bin/shootdown_bench" and "--cpus=3,5" in words
    assert "--repetitions=2" in words and "--samples=100" in words and "--out=reports/x" in words
    (case,) = shootdown_sweeps.pair(3, 5).cases()
    assert case.name in {case.name for case in plan.all_cases(plan.quick_set(2))}


def test_pairs_that_have_rows_are_known(tmp_path: Path) -> None:
    cases = (row for cpus, pages in (((0, 1), 1), ((7, 2), 1), ((4, 5), 8))
             for row in Writer().case(cpus=cpus, pages=pages, repetitions=2))
    folder = write_report(tmp_path / "r", cases)
    with (folder / "measurements.csv").open("a") as file:
        file.write("1,shootdown_bench,shootdown/opera")  # torn
    assert pair_run.measured(folder / "measurements.csv") == {(0, 1), (7, 2)}
    assert pair_run.measured(tmp_path / "none.csv") == set()


def measured(tmp_path: Path, pairs: list[pair_run.Pair], stop_after: int = 99) -> tuple[
        list[str], list[str], str]:
    """The failures, the pairs that were tried, and the log."""
    program, tried = tmp_path / "fake_bench", tmp_path / "pairs"
    program.write_text(BENCH)
    os.chmod(program, 0o755)
    log = tmp_path / "log"

    def wants_to_stop() -> bool:
        return tried.exists() and len(tried.read_text().split()) >= stop_after

    with log.open("ab", buffering=0) as file:
        assert isinstance(file, io.RawIOBase)
        failures = pair_run.measure(
            pairs, lambda pair: pair_run.command(program, pair, str(tmp_path)), file,  # type: ignore[arg-type]
            wants_to_stop, lambda line: None)
    return failures, tried.read_text().split(), log.read_text()


def test_a_failing_pair_costs_itself_alone(tmp_path: Path) -> None:
    failures, tried, log = measured(tmp_path, [(0, 1), (2, 0), (0, 2), (3, 1), (1, 0)])
    assert tried == ["0,1", "2,0", "0,2", "3,1", "1,0"]
    assert failures == [
        "pair of CPUs 2 and 0: fake_bench: --cpus: 2 is not a usable CPU",
        "pair of CPUs 3 and 1: fake_bench was killed by signal 9"]
    assert log.count("$ ") == 5 and "not a usable CPU" in log


def test_pairs_that_all_fail_are_given_up(tmp_path: Path) -> None:
    failures, tried, _ = measured(tmp_path, [(2, cpu) for cpu in range(10, 30)])
    assert len(tried) == 3 and failures[-1] == "17 further pairs of CPUs were not tried"


def test_who_wants_to_stop_need_not_wait_for_the_rest(tmp_path: Path) -> None:
    _, tried, _ = measured(tmp_path, [(0, 1), (1, 0), (0, 4)], stop_after=2)
    assert tried == ["0,1", "1,0"]
