"""A run that goes on: what it keeps, what it measures anew, and where it refuses."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from made_up_run import SMALL, World

from flushwalk import child, options, run_folder, set_up
from flushwalk.facts import Facts

SOME = [*SMALL, "--counters=tlb", "--filter=none/blocks:4096/full:50/dirty:10/queues:|blocks:64/"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def killed(world: World) -> World:
    """A run that was killed in the middle of a case's second repetition, and a row."""
    process = world.start(*SOME, FAKE="wait", FAKE_AT="queues:8/")
    world.wait_for("stuck")
    world.wait_for("finished.txt", lines=9)  # what the bench said before that is written down, too
    process.kill()
    process.communicate(timeout=20)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:  # until the bench has noticed
        try:
            run_folder.open_log(world.folder).close()
            (world.folder / "stuck").unlink()
            return world
        except run_folder.FolderError:
            time.sleep(0.02)
    raise AssertionError("the bench lives")


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_what_a_killed_run_finished_stays_and_the_rest_is_measured(
    killed: World, tmp_path: Path
) -> None:
    folder = killed.folder
    torn = (folder / "measurements.csv").read_bytes()
    assert not torn.endswith(b"\n") and b"queues:8/" in torn
    kept = {name: [line for line in lines(folder / name)
                   if b"queues:8/" not in line] for name in ("measurements.csv", "counters.csv")}
    status, out, err = killed.run(f"--resume={folder}")
    assert (status, err) == (0, "")
    unbroken = World(tmp_path / "unbroken")
    assert unbroken.run(*SOME)[0] == 0
    assert killed.rows() == unbroken.rows()
    for name, before in kept.items():
        assert lines(folder / name)[:len(before)] == before
    aside = (folder / "set_aside" / "measurements.csv").read_text().splitlines()
    assert aside[0] == "schema_version,case,repetition,by"
    assert [line.split(",")[2] for line in aside[1:]] == ["0", "0"]  # both walks
    notes = killed.notes()
    assert notes["command_line"] == ["scripts/run", *SOME]
    assert [each["command_line"][1:] for each in notes["sittings"]] == [
        SOME, [f"--resume={folder}"]]
    assert (notes["failures"], notes["interrupted"], notes["cases_unfinished"]) == ([], False, [])


def test_a_dry_run_of_the_rest_has_the_rest_only(killed: World) -> None:
    status, out, err = killed.run(f"--resume={killed.folder}", "--dry-run")
    finished = set((killed.folder / "finished.txt").read_text().split())
    first, *names, last = out.splitlines()
    assert (status, err.count("\n")) == (0, 1)  # one CPU was given
    assert first.startswith(f"# {len(finished)} cases are finished in ")
    assert last.startswith(f"# {len([name for name in names if name[0] != '#'])} cases, about")
    assert finished and finished.isdisjoint(names) and any("queues:8/" in name for name in names)


@pytest.mark.parametrize(
    "more, environment, said",
    [
        ([], {"FAKE_KERNEL": "6.2"}, "cannot go on in {}: kernel 6.1 then, 6.2 now"),
        (["--full"], {}, "--full is not what {} began with: scripts/run --repetitions=2"),
        (["--filter=x"], {}, "--filter is not what {} began with: "),
        (["--cpus=0"], {}, None),  # as it began
    ],
)
def test_another_set_up_is_refused_in_one_line(
    killed: World, more: list[str], environment: dict[str, str], said: str | None
) -> None:
    before = (killed.folder / "measurements.csv").read_bytes()
    arguments = [f"--resume={killed.folder}", *more, *(["--dry-run"] if said is None else [])]
    status, out, err = killed.run(*arguments, **environment)
    assert status == (2 if said else 0)
    if said:
        assert err.startswith(f"scripts/run: --resume: {said.format(killed.folder)}")
        assert (out, err.count("\n")) == ("", 1)
    assert (killed.folder / "measurements.csv").read_bytes() == before


def test_another_program_is_refused(killed: World) -> None:
    with (killed.home / "bin" / "flush_walk_bench").open("a") as file:
        file.write("# built anew\n")
    status, _, err = killed.run(f"--resume={killed.folder}")
    assert status == 2
    assert err == (f"scripts/run: --resume: cannot go on in {killed.folder}: "
                   "another flush_walk_bench\n")


def test_another_setting_is_refused(killed: World) -> None:
    (killed.folder / "machine.json").write_text('{"vm": {"thp": "never"}}')
    probe = killed.home / "bin" / "machine_probe"
    probe.write_text("""#!/bin/sh\necho '{"machine": {"vm": {"thp": "always"}}, "noise": []}'\n""")
    probe.chmod(0o755)
    status, _, err = killed.run(f"--resume={killed.folder}")
    assert (status, err.count("\n")) == (2, 1)
    assert "vm.thp never then, always now" in err


def test_another_plan_is_refused(killed: World) -> None:
    notes = killed.notes()
    run_folder.write_json(killed.folder / "run.json", {**notes, "plan": "0" * 64})
    status, _, err = killed.run(f"--resume={killed.folder}")
    assert (status, err.count("\n")) == (2, 1)
    assert "another plan of cases" in err


def test_a_folder_in_use_is_refused(killed: World) -> None:
    with run_folder.open_log(killed.folder):
        status, _, err = killed.run(f"--resume={killed.folder}")
    assert (status, err.count("\n")) == (2, 1)
    assert "a run is measuring into it just now" in err


def test_a_lost_case_is_tried_again_and_then_all_is_over(world: World) -> None:
    assert world.run(*SOME, FAKE="crash", FAKE_AT="queues:8/")[0] == 1
    before = (world.folder / "measurements.csv").read_bytes()
    status, out, err = world.run(f"--resume={world.folder}")
    assert (status, err) == (0, "")
    assert "measuring 2 cases" in out
    assert len(set(world.rows())) == len(world.rows())
    asides = lines(world.folder / "set_aside" / "measurements.csv")
    assert sorted([*lines(world.folder / "measurements.csv")[:-4], *asides[1:]]) == sorted(
        before.splitlines(keepends=True))
    whole = (world.folder / "measurements.csv").read_bytes()
    status, out, err = world.run(f"--resume={world.folder}")
    assert (status, err) == (0, "")
    assert out.startswith(f"{world.folder} is finished: ") and out.count("\n") == 1
    assert (world.folder / "measurements.csv").read_bytes() == whole


def test_a_run_that_is_measured_but_has_no_report_gets_it(world: World) -> None:
    (world.home / "no_report").touch()
    assert world.run(*SOME)[0] == 1
    (world.home / "no_report").unlink()
    calls = (world.folder / "calls").read_bytes()
    status, out, err = world.run(f"--resume={world.folder}")
    assert (status, err) == (0, "")
    assert f"report: {world.folder / 'report.html'}" in out
    assert (world.folder / "calls").read_bytes() == calls


@pytest.mark.parametrize(
    "text, said",
    [(None, "no run.json in it"), ("{", "cannot be read"),
     ('{"command_line": ["scripts/run"]}', "an older flushwalk made it")],
)
def test_a_folder_without_a_run_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(options.BadInput, match=said):
        options.request([f"--resume={tmp_path}"])
    with pytest.raises(options.BadInput, match="no such folder"):
        options.request([f"--resume={tmp_path / 'none'}"])


def test_rows_that_the_disk_has_lost_are_not_finished(tmp_path: Path) -> None:
    (tmp_path / "finished.txt").write_text("a\nb\nc\nd")
    (tmp_path / "measurements.csv").write_text(
        'case,repetition,note\r\na,0,"x\r\ny"\r\na,1,\r\nb,0,\r\nd,0,\r\nd,1,\r\na,')
    assert run_folder.finished(tmp_path, {"a": 2, "b": 2, "c": 2, "d": 2}) == {"a"}
    done = run_folder.Finished(tmp_path)
    done.add(["b"])
    done.close()
    assert (tmp_path / "finished.txt").read_text() == "a\nb\nc\nd\nb\n"


def test_rows_set_aside_are_copied_first_and_others_stay_byte_for_byte(tmp_path: Path) -> None:
    rows = [b"case,n\r\n", b'a,"1,\r\na"\r\n', b"b,2\r\n", b"a,3\n", b'"a","4"\r\n', b"c,"]
    (tmp_path / "measurements.csv").write_bytes(b"".join(rows))
    assert run_folder.set_aside(tmp_path, {"c"}) == 0
    assert (tmp_path / "measurements.csv").read_bytes() == b"".join(rows)
    assert run_folder.set_aside(tmp_path, {"a"}) == 3
    assert (tmp_path / "measurements.csv").read_bytes() == rows[0] + rows[2]
    assert (tmp_path / "set_aside" / "measurements.csv").read_bytes() == b"".join(
        [rows[0], rows[1], rows[3], rows[4]])


def test_facts_are_read_and_compared_in_words() -> None:
    facts = set_up.facts()
    assert facts["kernel"] and facts["host"] and facts["usable CPUs"]
    assert set_up.differing_facts(json.loads(json.dumps(facts)), facts) == []
    assert set_up.differing_facts({**facts, "CPU": "x" * 61}, facts) == ["another CPU"]
    assert set_up.differing_facts({**facts, "git revision": "abc"},
                                  {**facts, "git revision": None}) == [
        "git revision abc then, unknown now"]


def test_settings_are_compared_where_both_are_known() -> None:
    def settings(thp: str | None, governor: str | None, aslr: int) -> Facts:
        return Facts({"vm": {"thp": thp}, "frequency": {"governor": governor},
                      "kernel": {"aslr": aslr, "release": "not asked for"}})

    assert set_up.differing_settings(settings("never", None, 2), Facts()) == []
    assert set_up.differing_settings(settings("never", None, 2),
                                     settings("always", "powersave", 0)) == [
        "kernel.aslr 2 then, 0 now", "vm.thp never then, always now"]


def test_a_stopped_terminal_does_not_use_up_patience() -> None:
    now = [0.0]
    patience = child.Patience(10, lambda: now[0])
    now[0] += 1000  # we were stopped, and so may have been the program
    assert not patience.over()
    for _ in range(9):
        now[0] += 1
        assert not patience.over()
    patience.renew(5)
    for _ in range(5):
        now[0] += 1
        assert not patience.over()
    now[0] += 0.5
    assert patience.over()


def test_the_source_of_a_clone_has_a_revision_and_others_have_none(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    command = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x"]
    subprocess.run([*command, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    (tmp_path / "within").mkdir()
    assert len(set_up.git_revision(tmp_path) or "") == 40
    assert set_up.git_revision(tmp_path / "within") is None
