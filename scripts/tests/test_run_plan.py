"""The quick and the full set: what is in them, each case once, and as flush_walk_bench names it."""

from __future__ import annotations

import itertools
import re
import subprocess
from pathlib import Path

import pytest

from flushwalk import calls, options, plan, run, sweeps
from flushwalk.walks import WALKS

SETS = [plan.quick_set(1), plan.quick_set(2), plan.full_set(1), plan.full_set(2), plan.full_set(24)]


@pytest.mark.parametrize("sweeps", SETS)
def test_no_case_is_measured_twice(sweeps: list[sweeps.Sweep]) -> None:
    names = [case.name for case in plan.all_cases(sweeps)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("sweeps", SETS)
def test_every_flush_has_the_old_walk_as_its_rival_in_the_same_sweep(
        sweeps: list[sweeps.Sweep]) -> None:
    for sweep in sweeps:
        names = {case.name for case in sweep.cases()}
        for name in names:
            rival = re.sub("^flush_walk/walk:[a-z_]+/check:[a-z]+/",
                           "flush_walk/walk:free_list/check:locked/", name)
            assert rival in names


def test_whatever_a_run_starts_is_of_the_target_that_it_builds() -> None:
    """scripts/run builds the target `programs`: a program made without flushwalk_program() is not
    there on a fresh machine, and is in any folder where everything was built before."""
    assert re.search(r"^build_preset release programs$", (run.ROOT / "scripts/run").read_text(), re.M)
    declared = {
        name
        for room in ("allocator", "bench")
        for file in (run.ROOT / room).rglob("CMakeLists.txt")
        for name in re.findall(r"^flushwalk_(?:program|bench)\((\w+)", file.read_text(), re.M)
    }
    started = {sweep.bench for sweeps in SETS for sweep in sweeps} | set(run.SHOWN)
    assert started <= declared
    listed = re.findall(r"^    (\w+)  +\w", (run.ROOT / "README.md").read_text(), re.M)
    assert set(listed) & declared == declared, "the README lists the programs that a run builds"


def test_the_full_set_has_the_grid_of_the_best_walks() -> None:
    names = {case.name for case in plan.all_cases(plan.full_set(2))}
    for blocks, full, dirty, queues, descriptors, walk in itertools.product(
            (64, 1024, 4096, 16384, 65536, 1048576), (0, 50, 90, 99), (0, 1, 10, 100),
            (1, 1024), ("", "/descriptors:shuffled"),
            ("free_list", "marked", "dirty_list", "list_and_full")):
        keys = "/index:dense" if queues > 1 else ""
        for spread in ("",) if full == 0 or dirty == 0 else ("", "/spread:listed"):
            assert (f"flush_walk/walk:{walk}/check:locked/gather:hull/shootdown:none/blocks:{blocks}"
                    f"/full:{full}/dirty:{dirty}{spread}{descriptors}{keys}/queues:{queues}"
                    "/responders:0") in names


def test_quick_set_has_what_the_answer_needs() -> None:
    names = {case.name for case in plan.all_cases(plan.quick_set(2))}
    for blocks in (64, 256, 1024, 4096, 16384, 65536):
        for full in (0, 50, 90):
            assert (
                "flush_walk/walk:xarray/check:locked/gather:hull/shootdown:none"
                f"/blocks:{blocks}/full:{full}/dirty:10/queues:1/responders:0"
            ) in names
    for responders in (0, 1):
        assert (
            "flush_walk/walk:free_list/check:locked/gather:runs/shootdown:munmap"
            f"/blocks:64/full:50/dirty:10/queues:1/responders:{responders}"
        ) in names


@pytest.mark.parametrize("sweeps", [plan.quick_set(1), plan.full_set(1)])
def test_one_cpu_has_no_responders(sweeps: list[sweeps.Sweep]) -> None:
    assert {case.responders for case in plan.all_cases(sweeps)} == {0}


@pytest.mark.parametrize(
    "most, counts",
    [(0, (0,)), (1, (0, 1)), (2, (0, 1, 2)), (5, (0, 1, 2, 4, 5)), (23, (0, 1, 2, 4, 8, 16, 23))],
)
def test_responder_counts(most: int, counts: tuple[int, ...]) -> None:
    assert plan.responder_counts(most) == counts


def test_estimates_are_what_the_sets_promise() -> None:
    assert 60 <= plan.total_seconds(plan.quick_set(2)) <= 200
    assert 300 <= plan.total_seconds(plan.full_set(2)) <= 1800


def test_estimate_grows_with_what_is_asked_for() -> None:
    usual = plan.total_seconds(plan.quick_set(2))
    assert plan.total_seconds(plan.narrowed(plan.quick_set(2), samples=1000)) > 2 * usual
    assert plan.total_seconds(plan.narrowed(plan.quick_set(2), repetitions=1)) < usual / 2


def test_filter_leaves_the_cases_it_finds_and_no_empty_sweep() -> None:
    pattern = re.compile("blocks:4096/.*queues:8/")
    sweeps = plan.narrowed(plan.quick_set(2), pattern)
    names = [case.name for case in plan.all_cases(sweeps)]
    assert len(sweeps) == 1
    assert len(names) == 2
    assert all(pattern.search(name) for name in names)


def test_filter_reaches_the_bench_as_exactly_these_names() -> None:
    pattern = re.compile("none/blocks:64/full:[0-9]+/dirty:10/queues:1/")
    (sweep,) = plan.narrowed(plan.quick_set(2), pattern)
    assert sweep.flags()[-1] == "--cases=/dev/stdin"
    assert sweep.spoken_cases().splitlines() == [case.name for case in sweep.cases()]
    assert len(sweep.cases()) == 6


def test_a_filter_that_takes_all_of_a_sweep_is_not_passed_on() -> None:
    for sweep in plan.narrowed(plan.quick_set(2), re.compile("")):
        assert "--cases=/dev/stdin" not in sweep.flags() and not sweep.spoken_cases()


def test_a_plan_has_another_fingerprint_when_it_measures_anything_else() -> None:
    usual = plan.fingerprint(plan.quick_set(2))
    assert usual == plan.fingerprint(plan.quick_set(2))
    others = [plan.quick_set(1), plan.full_set(2), plan.quick_set(2)[1:],
              plan.narrowed(plan.quick_set(2), samples=3),
              plan.narrowed(plan.quick_set(2), re.compile("none/.*queues:8/")),
              plan.narrowed(plan.quick_set(2), re.compile("none/.*queues:32/"))]
    assert len({usual, *map(plan.fingerprint, others)}) == 1 + len(others)


# How the rivals of a group differ, by bench: what SCHEMA.md says of pairs.
RIVALS = {
    "flush_walk": "walk|check", "flush_range": "gather|code", "patch_series": "revision",
    "alloc_free": "queues|revision|walk|last_free", "xarray": "container",
    "shootdown": "arm", "shootdown_throughput": "arm",
}


def without_rivals(case: str) -> str:
    bench = case.split("/")[0]
    same = re.sub(f"/({RIVALS[bench]}):[^/]+", "", case)
    return re.sub("operation:iterate[a-z_]*", "operation:iterate", same)


@pytest.mark.parametrize("pattern", [None, re.compile("xarray.*full:50/|64")])
def test_the_benches_make_exactly_these_cases(pattern: re.Pattern[str] | None) -> None:
    cores = run.machine_facts.usable_cores()
    for sweep in plan.narrowed(plan.quick_set(min(cores, 2)), pattern):
        program = run.BINARIES / sweep.bench
        if not program.exists():
            pytest.skip(f"{sweep.bench} is not built")
        # Where a container is not installed the bench makes the cases of the fallback.
        for planned in [some for some in (sweep, sweep.fallback()) if some is not None]:
            told = calls.ask(run.BINARIES, options.request([]), planned)
            if isinstance(told, calls.Call):
                break
        assert isinstance(told, calls.Call), told
        groups = told.groups
        assert sorted(itertools.chain(*groups)) == sorted(case.name for case in planned.cases())
        # The groups in which they are measured, lost and gone on with: each whole, and no larger.
        kinds = [{without_rivals(case) for case in group} for group in groups]
        assert all(len(kind) == 1 for kind in kinds)
        assert len(set.union(*kinds)) == len(groups)


def test_the_bench_has_these_placements_and_gives_their_cases_these_names() -> None:
    program = run.BINARIES / "flush_walk_bench"
    if not program.exists():
        pytest.skip("flush_walk_bench is not built")
    listed = subprocess.run([program, "--list-placements"], capture_output=True, text=True,
                            check=True).stdout.splitlines()
    assert [line.split()[0] for line in listed if not line.startswith(" ")] == [
        *options.PLACEMENTS, "cpus:LIST"]
    sweep = sweeps.FlushWalk("some", blocks=(4,), placements=("cpus:0", "compact"))
    cases = subprocess.run([program, *sweep.flags(), "--dry-run"], capture_output=True, text=True,
                           check=True).stdout.split()
    assert sorted(cases) == sorted(case.name for case in sweep.cases())


def test_the_full_set_has_flushes_that_the_bench_makes() -> None:
    program = run.BINARIES / "flush_walk_bench"
    if not program.exists():
        pytest.skip("flush_walk_bench is not built")
    cores = min(run.machine_facts.usable_cores(), 2)
    for sweep in [some for some in plan.full_set(cores) if some.bench == program.name]:
        command = [str(program), *sweep.flags(), "--dry-run"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert sorted(listed) == sorted(case.name for case in sweep.cases())


def test_a_load_that_visits_or_flushes_more_takes_longer() -> None:
    def seconds(**axes: object) -> float:
        sweep = sweeps.FlushWalk("x", **{"blocks": (65536,), **axes})  # type: ignore[arg-type]
        return sum(case.seconds for case in sweep.cases())

    marked = seconds(walks=("free_list", "marked"))
    assert marked < seconds()
    assert seconds(dirty=(100,)) > 2 * seconds()
    assert seconds(dirty=(100,), full=(90,), spread=("listed",)) < seconds(dirty=(100,), full=(90,))
    assert seconds(queues=(64,), index=("dense",)) < seconds(queues=(64,))


def test_hull_array_and_full_flush_are_rivals_over_the_same_ranges() -> None:
    for some in (plan.quick_set(1), plan.quick_set(2), plan.full_set(2)):
        names = {case.name for case in plan.all_cases(some)
                 if case.name.startswith("flush_range/") and "mprotect_range" in case.name
                 and "working_set:0/code:suite" in case.name}
        assert len(names) > 50
        for name in names:
            for gather in ("hull", "runs") if "ranges:32/" in name else ("hull", "runs", "full"):
                assert re.sub("gather:[a-z]+", f"gather:{gather}", name) in names


def test_the_full_set_has_the_map_and_the_quick_one_the_ceiling() -> None:
    names = {case.name for case in plan.all_cases(plan.full_set(2))}
    for ranges, pages, gap in itertools.product(
            (1, 2, 16, 64, 1024), (1, 8, 32, 33, 34, 64, 512), ("0", "block", "1g", "255g")):
        if ranges <= 64 or gap != "255g":
            assert (f"flush_range/gather:hull/shootdown:mprotect_range/ranges:{ranges}/pages:{pages}"
                    f"/gap:{gap}/working_set:0/code:suite/responders:1") in names
    quick = {case.name for case in plan.all_cases(plan.quick_set(2))}
    for pages, working_set in ((33, 0), (34, 0), (8, 1536)):
        assert (f"flush_range/gather:runs/shootdown:mprotect_range/ranges:4/pages:{pages}/gap:block"
                f"/working_set:{working_set}/code:suite/responders:1") in quick
    ranges = [sweep for sweep in plan.quick_set(2) if sweep.bench == "flush_range_bench"]
    assert 5 <= sum(sweep.seconds() for sweep in ranges) <= 20


def test_every_complete_walk_meets_the_free_list_in_the_quick_set() -> None:
    every = [sweep for sweep in plan.quick_set(2) if sweep.title.startswith("every walk")]
    assert 8 <= sum(sweep.seconds() for sweep in every) <= 25
    for sweep in every:
        names = [case.name for case in sweep.cases()]
        for walk, check in itertools.product(WALKS, sweeps.CHECKS):
            mine = {name.replace(f"walk:{walk}/check:{check}/", "") for name in names
                    if f"walk:{walk}/check:{check}/" in name}
            assert len(mine) * len(WALKS) * len(sweeps.CHECKS) == len(names)

def test_no_bench_is_needed_to_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BINARIES", tmp_path)
    assert run.main(["--dry-run"]) == 0
