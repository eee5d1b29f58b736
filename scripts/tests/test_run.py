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

import pytest
from made_up_run import DRIVER, SCRIPTS, SMALL, World

from flushwalk import child, measuring, options, plan, run

PLANNED = [case.name for case in plan.all_cases(plan.placed(plan.quick_set(1), ["cpus:0"]))]


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
    assert "--placement=cpus:0" in call
    assert f"--counters=none --out={folder} --progress" in call
    with (folder / "measurements.csv").open() as file:
        (name,) = {row["case"] for row in csv.DictReader(file)}
    assert "walk:xarray" in name and "queues:8/" in name
    assert not (world.home / "reports").exists()


LOST = ("flush_walk/walk:free_list/check:locked/gather:hull/shootdown:none/blocks:4096/full:50"
        "/dirty:10/queues:8/responders:0/placement:cpus:0")
BY_QUEUES = "--filter=none/blocks:4096/full:50/dirty:10/queues:"
BY_BLOCKS = "--filter=none/blocks:[0-9]+/full:[0-9]+/dirty:10/queues:1/"  # three sweeps


@pytest.mark.parametrize(
    "fault, repetitions, said",
    [("crash", 1, "flush_walk_bench failed (exit status 3)"),
     ("killed", 0, "flush_walk_bench was killed by signal 9"),
     ("hang", 1, "flush_walk_bench said nothing for 2 min 00 s and was killed")],
)
def test_a_bench_that_fails_costs_its_case_only(
    world: World, fault: str, repetitions: int, said: str
) -> None:
    status, out, err = world.run(*SMALL, BY_QUEUES, FAKE=fault, FAKE_AT="queues:8/")
    assert status == 1
    assert f"{said} while measuring {LOST} (with 1 sampled in turn with it)" in err
    assert f"2 of 12 cases were {'measured in part only' if repetitions else 'not measured'}" in err
    assert ("flush_walk_bench: it broke" in out) == (fault == "crash")
    assert f"report: {world.folder / 'report.html'}" in out
    rows = world.rows()
    assert len(set(rows)) == len(rows) == 2 * (10 + repetitions)
    assert sum("queues:8/" in case for case, _ in rows) == 2 * repetitions
    notes = world.notes()
    assert LOST in notes["cases_unfinished" if repetitions else "cases_not_measured"]
    assert len(notes["failures"]) == 2
    calls = (world.folder / "calls").read_text().splitlines()
    assert len(calls) == 3  # the other sweep has one case of these


def test_a_bench_that_went_on_by_itself_is_not_called_again(world: World) -> None:
    status, _, err = world.run(*SMALL, BY_QUEUES, FAKE="skip", FAKE_AT="queues:(64|256)/")
    assert status == 1
    assert "4 of 12 cases were not measured" in err
    assert len(world.rows()) == 16
    assert len((world.folder / "calls").read_text().splitlines()) == 2


def test_a_bench_that_always_breaks_is_given_up(world: World) -> None:
    status, _, err = world.run(*SMALL, BY_BLOCKS, FAKE="break",
                               FAKE_WHERE="--blocks=64,256,1024,4096")
    assert status == 1
    assert "flush_walk_bench failed 5 times before it had finished a case" in err
    assert "24 of 36 cases were not measured" in err
    assert "blocks:65536/" in world.cases()[-1]  # the sweep that comes last


def test_a_bench_that_does_nothing_is_a_failure(world: World) -> None:
    (world.home / "bin" / "flush_walk_bench").write_text("#!/bin/sh\nexit 0\n")
    status, out, err = world.run(*SMALL, BY_QUEUES)
    assert status == 1
    assert "12 of 12 cases were not measured" in err
    assert "nothing was measured, so there is no report" in err
    assert "report: " not in out


def test_a_bench_that_is_not_there(world: World) -> None:
    (world.home / "bin" / "flush_walk_bench").unlink()
    status, _, err = world.run(*SMALL, BY_QUEUES)
    assert status in (1, 2)
    assert "Traceback" not in err
    assert "flush_walk_bench" in err


def test_what_the_bench_refuses_is_left_out_and_said(world: World) -> None:
    wanted = "flush_walk/.*(queues:8/|shootdown:mprotect_range/blocks:64)"
    status, out, err = world.run(*SMALL, f"--filter={wanted}", FAKE="refuse",
                                 FAKE_WHERE="--shootdown=mprotect_range")
    assert (status, err) == (0, "")
    note = "left out: walk and range flush: flush_walk_bench: --blocks: 64 is a bad number"
    assert sum(note in line for line in out.splitlines()) == 1
    assert any(note in line for line in world.notes()["notes"])
    assert "measuring 2 cases" in out
    assert len(world.cases()) == 4 and all("queues:8/" in name for name in world.cases())


def test_a_bench_that_refuses_all_is_told_before_anything_is_made(world: World) -> None:
    status, out, err = world.run(*SMALL, BY_BLOCKS, FAKE="refuse")
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


@pytest.mark.usefixtures("one_figure")
def test_the_real_report_is_made_of_a_run(
    make_report: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_report(shootdowns=("none",), repetitions=6)
    with (folder / "run.log").open("ab", buffering=0) as log:
        its = measuring.Run(folder, run.BINARIES, options.request([]), child.Stop(), log)
        answer = run.write_report(its)
    assert its.failures == []
    assert 4 <= len(answer) <= 7
    assert all(isinstance(line, str) and "\n" not in line for line in answer)
    assert (folder / "report.html").exists() and (folder / "report.md").exists()


@pytest.mark.parametrize(
    "number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_interrupted_run_is_closed_and_reported(
    world: World, number: signal.Signals, status: int
) -> None:
    process = world.start(*SMALL, BY_BLOCKS, FAKE="slow")
    world.wait_for("measurements.csv", 4)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == status
    assert "stopping: waiting for flush_walk_bench" in out
    assert f"report: {world.folder / 'report.html'}" in out
    assert err == ""
    assert (world.folder / "measurements.csv").read_text().endswith("closed,,,\n")
    assert (world.folder / "sigints_1").exists()
    assert len((world.folder / "calls").read_text().splitlines()) == 1
    assert world.notes()["interrupted"] is True


def test_nohup_outlives_its_terminal(world: World) -> None:
    process = world.start(*SMALL, "--filter=queues:8/", FAKE="slow", NOHUP="1")
    world.wait_for("measurements.csv", 1)
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert len(world.cases()) == 4


def test_ctrl_c_of_a_terminal_reaches_the_bench_once(world: World) -> None:
    """A terminal sends SIGINT to the whole group; the bench must still get one only."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(SCRIPTS), str(world.home), *SMALL, BY_BLOCKS],
        stdout=subprocess.PIPE,
        text=True,
        env={**world.environment, "FAKE": "slow"},
        start_new_session=True,
    )
    world.wait_for("measurements.csv", 4)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert (world.folder / "sigints_1").exists()


def test_second_ctrl_c_ends_a_bench_that_does_not_stop(world: World) -> None:
    process = world.start(*SMALL, BY_BLOCKS, FAKE="hang", FAKE_AT="blocks:64/")
    world.wait_for("stuck")
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
