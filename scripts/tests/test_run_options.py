"""scripts/run's command line: what needs no measuring, what is refused, and in what words."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from flushwalk import machine_facts, options, plan


@pytest.fixture(autouse=True)
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_facts, "usable_cpus", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(machine_facts, "usable_cores", lambda: 4)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--cpus=9"], "--cpus: 9 is not a CPU this process may use (0,1,2,3)"),
        (["--cpus=0,x"], "--cpus: '0,x' is not a list of CPUs"),
        (["--cpus="], "--cpus: '' is not a list of CPUs"),
        (["--cpus=3-1"], "--cpus: '3-1' is not a range"),
        (["--cpus=1,0-2"], "--cpus: '1,0-2' names a CPU twice"),
        (["--placement=far"], "--placement: 'far' is not one of compact, scatter, smt"),
        (["--placement=smt,cpus:0,9"], "--placement: 9 is not a CPU this process may use"),
        (["--placement=smt,smt"], "--placement: 'smt,smt' names a placement twice"),
        (["--placement=smt", "--cpus=0"], "--cpus: not allowed with argument --placement"),
        (["--filter=["], "--filter: '[' is not a regular expression"),
        (["--filter=nosuchcase"], "--filter: 'nosuchcase' finds no case"),
        (["--samples=0"], "--samples: '0' is not a number in 1..1000000"),
        (["--samples=-3"], "--samples: '-3' is not a number"),
        (["--repetitions=many"], "--repetitions: 'many' is not a number in 1..10000"),
        (["--out=/etc/passwd"], "--out: /etc/passwd is not a folder"),
        (["--out=/etc/passwd/x"], "/etc/passwd is not a folder that can be written to"),
        (["--name="], "--name: '' is not a name"),
        (["--name=../x"], "--name: '../x' is not a name: letters, digits, '.', '_' and '-'"),
        (["--name=-x"], "--name: '-x' is not a name"),
        ([f"--name={'x' * 41}"], "40 of them at most"),
        (["--ful"], "unrecognized arguments: --ful"),
        (["report"], "unrecognized arguments: report"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert options.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("scripts/run: ")
    assert captured.err.count("\n") == 1
    assert said in captured.err


def test_a_folder_with_measurements_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "measurements.csv").write_text("schema_version\n")
    assert options.main([f"--out={tmp_path}"]) == 2
    assert "already holds measurements" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert options.main([f"--out={tmp_path / 'new'}"]) == 2


def test_measuring_is_left_to_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    assert options.main([]) == options.NEEDS_MEASURING
    assert options.main(["--full", "--cpus=0-1,3"]) == options.NEEDS_MEASURING
    assert capsys.readouterr() == ("", "")


def test_list_prints_names_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert options.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [case.name for case in plan.all_cases(plan.quick_set(4))]


def test_dry_run_tells_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert options.main(["--dry-run", "--filter=blocks:4096/full:50/dirty:10/queues:64/"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"# 2 cases, about \d+ s of measuring", lines[-1])
    assert sum(not line.startswith("#") for line in lines) == 2


def test_help_names_every_option_and_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for option in ("full", "filter", "placement", "cpus", "dry-run", "list", "out", "repetitions",
                   "samples", "oracle", "name", "resume"):
        assert f"--{option}" in text
    assert "scripts/run --filter=" in text


@pytest.mark.parametrize("arguments", [["--cpus=2"], []])
def test_one_cpu_is_said_and_has_no_responders(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_facts, "usable_cores", lambda: 1)
    wanted = options.request(arguments)
    assert len(wanted.notes) == 1
    assert "without responders" in wanted.notes[0]
    assert {case.responders for case in plan.all_cases(wanted.sweeps)} == {0}


def test_given_cpus_count_for_the_responders() -> None:
    wanted = options.request(["--full", "--cpus=3,0,1"])
    assert wanted.placements == ["cpus:3,0,1"]
    assert all(case.name.endswith("/placement:cpus:3,0,1")
               for case in plan.all_cases(wanted.sweeps))
    assert {case.responders for case in plan.all_cases(wanted.sweeps)} == {0, 1, 2}


def test_each_placement_is_measured_where_there_are_responders() -> None:
    wanted = options.request(["--placement=compact,smt,cpus:0,3"])
    alone, flushes = (next(sweep for sweep in wanted.sweeps if sweep.title == title)
                      for title in ("walk alone, by queues", "walk and range flush"))
    assert alone.placements == ("compact",)
    assert "--placement=compact,smt,cpus:0,3" in flushes.flags()
    ends = {case.name.partition("responders:1")[2] for case in flushes.cases()
            if case.responders == 1}
    assert ends == {"", "/placement:smt", "/placement:cpus:0,3"}


def test_a_named_placement_is_measured_with_one_responder_whatever_there_is() -> None:
    wanted = options.request(["--full", "--placement=cross_package"])
    assert {case.responders for case in plan.all_cases(wanted.sweeps)} == {0, 1}


def test_numbers_reach_every_sweep() -> None:
    wanted = options.request(["--samples=7", "--repetitions=3"])
    assert {(sweep.samples, sweep.repetitions) for sweep in wanted.sweeps} == {(7, 3)}
