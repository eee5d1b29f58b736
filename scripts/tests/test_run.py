"""A whole run with made-up programs in place of the benches: well, failing, killed, interrupted."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flushwalk import child, options, plan, run

SCRIPTS = Path(__file__).resolve().parents[1]

# Takes the bench's own flags; writes a row a case and repetition, and progress as the bench does.
# FAKE says how it fails: crash, killed or refuse where the flags have FAKE_WHERE; hang or slow are
# there to be interrupted.
BENCH = r'''import json, os, re, signal, sys, time
flags = dict(argument[2:].partition("=")[::2] for argument in sys.argv[1:])
fault = os.environ.get("FAKE", "") if os.environ.get("FAKE_WHERE", "") in " ".join(sys.argv) else ""
runs = ("mprotect", "munmap")
bench = os.path.basename(sys.argv[0])
axes = [flag for flag in flags if flag not in
        ("samples", "repetitions", "benchmark_filter", "out", "progress", "dry-run", "cpus",
         "oracle")]
names = [bench.removesuffix("_bench")]
for axis in axes:
    names = [f"{name}/{axis.replace('-', '_')}:{value}" for name in names
             for value in flags[axis].split(",")]
names = [name.replace("/last_free:lazy", "") for name in names]
if bench == "flush_walk_bench":
  values = lambda axis: flags[axis].split(",")
  later = lambda axis, usual: [f"/{axis}:{v}" * (v != usual) for v in values(axis)]
  names = [f"flush_walk/walk:{w}/check:{c}/gather:{'runs' if s in runs else 'hull'}/shootdown:{s}"
         f"/blocks:{b}/full:{f}/dirty:{d}{spread}{descriptors}{index}/queues:{q}/responders:{r}"
         for w in values("walk") for c in values("check") for s in values("shootdown")
         for b in values("blocks") for f in values("full") for d in values("dirty")
         for spread in later("spread", "even") for descriptors in later("descriptors", "in_order")
         for index in later("index", "kernel") for q in values("queues")
         for r in values("responders")]
names = [name for name in names if re.search(flags.get("benchmark_filter", ""), name)]
if fault == "refuse":
    sys.exit(print(f"{bench}: --blocks: 64 is a bad number here", file=sys.stderr) or 2)
if "dry-run" in flags:
    sys.exit(print("\n".join(names)))
stopped = []
if fault == "slow":
    signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
elif fault == "hang":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
print("Run on (2 X 2400 MHz CPU s)", file=sys.stderr)
print("a table of results")
path = os.path.join(flags["out"], "measurements.csv")
new = not os.path.exists(path)
with open(os.path.join(flags["out"], "calls"), "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\n")
steps = [(n, r) for r in range(int(flags["repetitions"])) for n in names]
with open(path, "a") as out:
    if new:
        out.write("schema_version,case,repetition\n")
    for done, (name, repetition) in enumerate(steps, 1):
        out.write(f"1,{name},{repetition}\n")
        out.flush()
        line = {"case": name, "done": done, "total": len(steps), "seconds": 0.1}
        if "progress" in flags:
            print(json.dumps(line), file=sys.stderr, flush=True)
        if done == 3 and fault == "crash":
            print("flush_walk_bench: it broke", file=sys.stderr)
            sys.exit(3)
        if done == 3 and fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault in ("slow", "hang"):
            time.sleep(60 if fault == "hang" and done == 6 else 0.05)
        if stopped:
            time.sleep(0.7)  # closing takes its time: a second SIGINT would be noticed
            out.write("closed,,\n")
            open(os.path.join(flags["out"], f"sigints_{len(stopped)}"), "w")
            sys.exit(130)
'''
STALE_ALIAS = r'''import os, sys
print("{}" if os.environ.get("FAKE_ALIAS") == "mute" else '{"ok": true, "walks": []}')
sys.exit(1 if os.environ.get("FAKE_ALIAS") else 0)
'''
THREAD_ANSWERS = """print('{"ok": true, "deferred": []}')"""
# run.main with these programs, and a report that notes that it was made.
DRIVER = r'''
import os, pathlib, signal, sys, types
signal.signal(signal.SIGHUP, signal.SIG_IGN if "NOHUP" in os.environ else signal.SIG_DFL)
sys.path[0] = sys.argv[1]
from flushwalk import run
home = pathlib.Path(sys.argv[2])
run.BINARIES, run.REPORTS = home / "bin", home / "reports"
def write_report(folder):
    if (home / "no_report").exists():
        raise ValueError("no picture")
    (folder / "report.html").write_text("made")
    return "results"
def answer_lines(results):
    return ("free list: 1 us", "xarray: 2 us") if results == "results" else ()
for name, function in (("report", write_report), ("answer", answer_lines)):
    module = types.ModuleType("flushwalk." + name)
    setattr(module, function.__name__, function)
    sys.modules["flushwalk." + name] = module
    setattr(sys.modules["flushwalk"], name, module)
sys.exit(run.main(sys.argv[3:]))
'''
SMALL = ["--repetitions=2", "--samples=5", "--cpus=0"]
PLANNED = [case.name for case in plan.all_cases(plan.quick_set(1))]


class World:
    """Made-up programs in a folder, and scripts/run's Python half told to use them."""

    def __init__(self, home: Path):
        self.home = home
        self.environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        (home / "bin").mkdir()
        programs = {sweep.bench: BENCH for sweep in plan.quick_set(2)}
        shown = {"stale_alias": STALE_ALIAS, "thread_answers": THREAD_ANSWERS}
        for name, text in {**programs, **shown}.items():
            # Without site packages: it starts in half the time, and there are many.
            (home / "bin" / name).write_text(f"#!{sys.executable} -IS\n{text}")
            (home / "bin" / name).chmod(0o755)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", DRIVER, str(SCRIPTS), str(self.home), *arguments]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **environment},
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    @property
    def folder(self) -> Path:
        (folder,) = (self.home / "reports").iterdir()
        return folder

    def cases(self) -> list[str]:
        with (self.folder / "measurements.csv").open() as file:
            return [row["case"] for row in csv.DictReader(file)]

    def notes(self) -> dict[str, Any]:
        return json.loads((self.folder / "run.json").read_text())


@pytest.fixture
def world(tmp_path: Path) -> World:
    home = tmp_path / "a folder"
    home.mkdir()
    return World(home)


def test_strict_measures_nothing_where_the_doctor_cannot_say(world: World) -> None:
    status, out, err = world.run("--strict", *SMALL)
    assert status == 1 and "doctor: machine_probe: No such file or directory" in out.splitlines()
    assert err == "scripts/run: --strict: not measured; scripts/doctor tells how to mend it\n"
    assert not (world.home / "reports").exists()


def test_a_run_measures_all_and_ends_with_report_and_answer(world: World) -> None:
    status, out, err = world.run(*SMALL)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "one CPU given: only the cases without responders are measured"
    assert lines[-1] == f"report: {world.folder / 'report.html'}"
    assert lines[-3:-1] == ["free list: 1 us", "xarray: 2 us"]
    assert any(" left  " in line for line in lines)
    names = world.cases()
    # The made-up xarray_bench makes every combination, the real one leaves some out.
    assert len(names) == 2 * len(set(names)) and set(PLANNED) <= set(names)
    assert json.loads((world.folder / "stale_alias.json").read_text())["ok"] is True
    assert json.loads((world.folder / "thread.json").read_text()) == {"ok": True, "deferred": []}
    notes = world.notes()
    assert notes["command_line"] == ["scripts/run", *SMALL]
    assert (notes["failures"], notes["interrupted"], notes["cases_not_measured"]) == ([], False, [])
    assert "a table of results" in (world.folder / "run.log").read_text()


def test_the_oracle_is_asked_where_there_is_something_to_see(world: World) -> None:
    folder = world.home / "x"
    wanted = "flush_walk/.*queues:8/|second_flush/revision:p2|pages:64/revision:v6.4|judyl"
    status, _, err = world.run(*SMALL, "--oracle", f"--filter={wanted}", f"--out={folder}")
    assert (status, err) == (0, "")
    asked = [("--oracle" in call, "--container=" in call)
             for call in (folder / "calls").read_text().splitlines()]
    assert set(asked) == {(True, False), (False, True)}


def test_filter_out_and_cpus_reach_the_bench(world: World) -> None:
    folder = world.home / "x" / "y"
    status, _, err = world.run(*SMALL, "--filter=xarray.*queues:8/", f"--out={folder}")
    assert (status, err) == (0, "")
    (call,) = (folder / "calls").read_text().splitlines()
    assert f"--cpus=0 --counters=none --out={folder} --progress" in call
    with (folder / "measurements.csv").open() as file:
        (name,) = {row["case"] for row in csv.DictReader(file)}
    assert "walk:xarray" in name and "queues:8/" in name
    assert not (world.home / "reports").exists()


@pytest.mark.parametrize(
    "fault, said",
    [("crash", "flush_walk_bench failed (exit status 3) while measuring: walk alone, by queues"),
     ("killed", "flush_walk_bench was killed by signal 9 while measuring: walk alone, by queues")],
)
def test_a_failing_bench_costs_its_sweep_only(world: World, fault: str, said: str) -> None:
    status, out, err = world.run(*SMALL, FAKE=fault, FAKE_WHERE="--queues=2,8,32,64,256")
    assert status == 1
    assert said in err
    assert f"7 of {len(PLANNED)} cases were not measured" in err
    assert ("flush_walk_bench: it broke" in out) == (fault == "crash")
    assert f"report: {world.folder / 'report.html'}" in out
    last = PLANNED[-1].split("/")[0]  # the sweep that comes last
    assert world.cases()[-1].startswith(f"{last}/")
    assert len(world.notes()["failures"]) == 2


def test_a_bench_that_does_nothing_is_a_failure(world: World) -> None:
    for bench in {sweep.bench for sweep in plan.quick_set(1)}:
        (world.home / "bin" / bench).write_text("#!/bin/sh\nexit 0\n")
    status, out, err = world.run(*SMALL)
    assert status == 1
    assert f"{len(PLANNED)} of {len(PLANNED)} cases were not measured" in err
    assert "nothing was measured, so there is no report" in err
    assert "report: " not in out


def test_a_bench_that_is_not_there(world: World) -> None:
    (world.home / "bin" / "flush_walk_bench").unlink()
    status, _, err = world.run(*SMALL)
    assert status in (1, 2)
    assert "Traceback" not in err
    assert "flush_walk_bench" in err


def test_what_the_bench_refuses_is_left_out_and_said(world: World) -> None:
    status, out, err = world.run(*SMALL, FAKE="refuse", FAKE_WHERE="--shootdown=mprotect_range")
    assert (status, err) == (0, "")
    note = "left out: walk and range flush: flush_walk_bench: --blocks: 64 is a bad number"
    assert sum(note in line for line in out.splitlines()) == 1
    assert any(note in line for line in world.notes()["notes"])
    left = [sweep for sweep in plan.quick_set(1)
            if "--shootdown=mprotect_range" not in " ".join(sweep.flags())]
    assert f"measuring {len(plan.all_cases(left))} cases" in out
    assert not any("mprotect_range" in name for name in world.cases())


def test_a_bench_that_refuses_all_is_told_before_anything_is_made(world: World) -> None:
    status, out, err = world.run(*SMALL, FAKE="refuse")
    assert status == 2
    assert err == "scripts/run: flush_walk_bench: --blocks: 64 is a bad number here\n"
    assert out == ""
    assert not (world.home / "reports").exists()


def test_stale_alias_that_fails_is_told_and_kept(world: World) -> None:
    status, _, err = world.run(*SMALL, "--filter=queues:8/", FAKE_ALIAS="fails")
    assert status == 1
    assert "stale_alias failed (exit status 1)" in err
    assert (world.folder / "stale_alias.json").exists()


def test_a_report_that_cannot_be_made_does_not_hide_the_measurements(world: World) -> None:
    (world.home / "no_report").touch()
    status, out, err = world.run(*SMALL, "--filter=queues:8/")
    assert status == 1
    assert "the report could not be made: no picture" in err
    assert f"measurements: {world.folder}" in out
    assert "Traceback" in (world.folder / "run.log").read_text()


def test_the_real_report_is_made_of_a_run(
    make_report: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_report()
    with (folder / "run.log").open("ab", buffering=0) as log:
        its = run.Run(folder, options.request([]), ["scripts/run"], child.Stop(), log)
        answer = run.write_report(its)
    assert its.failures == []
    assert 4 <= len(answer) <= 7
    assert all(isinstance(line, str) and "\n" not in line for line in answer)
    assert (folder / "report.html").exists() and (folder / "report.md").exists()


def wait_for_rows(world: World, count: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for path in (world.home / "reports").glob("*/measurements.csv"):
            if len(path.read_text().splitlines()) > count:
                return
        time.sleep(0.02)
    raise AssertionError("no rows came")


@pytest.mark.parametrize(
    "number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_interrupted_run_is_closed_and_reported(
    world: World, number: signal.Signals, status: int
) -> None:
    process = world.start(*SMALL, FAKE="slow")
    wait_for_rows(world, 4)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == status
    assert "stopping: waiting for flush_walk_bench" in out
    assert f"report: {world.folder / 'report.html'}" in out
    assert err == ""
    assert (world.folder / "measurements.csv").read_text().endswith("closed,,\n")
    assert (world.folder / "sigints_1").exists()
    assert len((world.folder / "calls").read_text().splitlines()) == 1
    assert world.notes()["interrupted"] is True


def test_nohup_outlives_its_terminal(world: World) -> None:
    process = world.start(*SMALL, "--filter=queues:8/", FAKE="slow", NOHUP="1")
    wait_for_rows(world, 1)
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert len(world.cases()) == 4


def test_ctrl_c_of_a_terminal_reaches_the_bench_once(world: World) -> None:
    """A terminal sends SIGINT to the whole group; the bench must still get one only."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(SCRIPTS), str(world.home), *SMALL],
        stdout=subprocess.PIPE,
        text=True,
        env={**world.environment, "FAKE": "slow"},
        start_new_session=True,
    )
    wait_for_rows(world, 4)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert (world.folder / "sigints_1").exists()


def test_second_ctrl_c_ends_a_bench_that_does_not_stop(world: World) -> None:
    process = world.start(*SMALL, FAKE="hang")
    wait_for_rows(world, 4)
    process.send_signal(signal.SIGINT)
    time.sleep(0.6)
    assert process.poll() is None  # it waits
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "report: " in out


def test_bad_input_is_exit_2_and_makes_nothing(world: World) -> None:
    status, out, err = world.run("--samples=none")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert not (world.home / "reports").exists()
