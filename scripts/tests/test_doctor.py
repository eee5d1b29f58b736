"""The doctor's judgements, in words, of machines made up; and what it does with them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Callable

import pytest
import synthetic_machines as machines

from flushwalk.doctor import command, probe, short, words
from flushwalk.doctor.checks import CHECKS, Findings, Resolution, Seen, Verdict, examine
from flushwalk.facts import Facts

SCHEMA = Path(__file__).resolve().parents[2] / "reports" / "SCHEMA.md"
QUIET = machines.noise(0.01, 0.02)
FINE = (Resolution("walks", 0.8, 100),)


def examined(machine: dict[str, Any], root: bool = False, noise: Any = QUIET,
             resolutions: Any = FINE) -> Findings:
    return examine(Seen(Facts(machine), noise, resolutions, root))


def spoiling(findings: Findings) -> dict[str, str]:
    return {finding.check.name: finding.value for finding in findings.of(Verdict.SPOILS)}


def test_a_machine_that_is_set_well_is_good_in_everything() -> None:
    findings = examined(machines.BARE)
    assert len(findings.of(Verdict.GOOD)) == len(CHECKS)


def test_what_is_not_known_spoils_nothing_and_is_not_called_good() -> None:
    findings = examined({}, noise=None, resolutions=None)
    assert {finding.check.name for finding in findings.all if finding.verdict is not Verdict.UNKNOWN
            } == set()
    assert {finding.value for finding in findings.all} - {"unknown"} == {
        "isolated unknown, nohz_full unknown, rcu_nocbs unknown",
        "PTI unknown, PCID unknown, INVPCID unknown"}


def test_the_findings_of_a_guest() -> None:
    noise = machines.noise(0.9, 2.0)
    findings = examined(machines.GUEST, root=True, noise=noise,
                        resolutions=(Resolution("walks", 0.02, 100), Resolution("flushes", 4.04, 100)))
    assert spoiling(findings) == {
        "hypervisor": "a guest (CPUID says bhyve, the kernel's log KVM)",
        "paravirtual TLB flush": "yes (in the kernel's log, seen when tried)",
        "shootdown mechanism": "paravirtual",
        "hardware PMU": "no",
        "isolation": "isolated none, nohz_full none, rcu_nocbs none",
        "statistics interval": "1 s",
        "noise": "CPU 1 loses 2 % of its time, up to 4,600 us at once",
        "resolution": "walks: differences under 0.1 % will not be resolved here; "
                      "flushes: differences under 4 % will not be resolved here",
    }
    assert [finding.check.name for finding in findings.of(Verdict.UNKNOWN)] == [
        "frequency governor", "turbo"]


def test_the_findings_of_a_laptop() -> None:
    assert spoiling(examined(machines.LAPTOP)) == {
        "other load": "1.7", "frequency governor": "powersave, intel_pstate", "turbo": "yes",
        "SMT": "yes", "isolation": "isolated none, nohz_full none, rcu_nocbs none",
        "transparent huge pages": "always", "NMI watchdog": "yes", "statistics interval": "1 s",
        "perf_event_paranoid": "4"}


@pytest.mark.parametrize("change, name", [
    ({"hypervisor__vendor": "kvm"}, "hypervisor"),
    ({"hypervisor__kernel": "KVM"}, "hypervisor"),  # a host that hides from CPUID
    ({"hypervisor__pv_tlb_flush": True}, "paravirtual TLB flush"),
    ({"shootdowns__mechanism": "broadcast"}, "shootdown mechanism"),
    ({"topology__usable_cpus": "7"}, "usable cores"),
    ({"topology__cores": 1}, "usable cores"),  # two threads of one core
    ({"load__cpu_quota": 1.5}, "CPU quota"),
    ({"frequency__governor": "performance powersave"}, "frequency governor"),
    ({"page_tables__pti": True, "page_tables__pcid": False}, "page tables"),
    ({"clock__invariant": False}, "clock"),
    ({"kernel__numa_balancing": 1}, "NUMA balancing"),
    ({"vm__thp_shmem": "within_size"}, "huge pages of shared memory"),
    ({"vm__ksm": 1}, "page merging (KSM)"),
    ({"vm__max_map_count": 8192}, "mappings a process may have"),
    ({"kernel__aslr": 0}, "address randomisation"),
    ({"flushwalk__build_type": "Debug"}, "build"),
    ({"isolation__rcu_nocbs": "none"}, "isolation"),
])
def test_each_fault_alone_is_found_and_no_other(change: dict[str, Any], name: str) -> None:
    assert list(spoiling(examined(machines.changed(machines.BARE, **change)))) == [name]


def test_threads_of_isolated_cores_are_left_alone_and_root_may_count() -> None:
    machine = machines.changed(machines.BARE, smt__active=True, perf__event_paranoid=4)
    assert list(spoiling(examined(machine))) == ["perf_event_paranoid"]
    assert spoiling(examined(machine, root=True)) == {}


@pytest.mark.parametrize("percent, pairs, verdict", [
    (2.0, 50, Verdict.GOOD), (2.1, 100, Verdict.SPOILS),
    (0.1, 49, Verdict.SPOILS),  # what is left of a disturbed run is no fair sample
])
def test_a_fine_resolution_is_from_enough_pairs(percent: float, pairs: int,
                                                verdict: Verdict) -> None:
    findings = examined(machines.BARE, resolutions=(*FINE, Resolution("flushes", percent, pairs)))
    (found,) = [each for each in findings.all if each.check.name == "resolution"]
    assert found.verdict is verdict
    assert ("51 of 100 pairs were spoilt" in found.value) == (pairs == 49)


def test_the_checks_read_keys_that_machine_json_has() -> None:
    described = set(re.findall(r"^\| `([^`]+)` \|", SCHEMA.read_text(), re.MULTILINE))
    read = {f"{group}.{key}" for group, values in machines.BARE.items() for key in values}
    assert read - described == set()


def test_noise_of_many_cpus_is_that_of_the_worst() -> None:
    noise = machines.noise(*(cpu / 1000 for cpu in range(1024)))
    noise[3].update(error="it went offline", lost_percent=0, seconds=0)
    rows = words.noise_rows(noise)
    assert [row[0] for row in rows] == ["3", *map(str, range(1018, 1024)), "1017 others"]
    assert rows[0][1] == "not watched: it went offline"
    assert rows[1] == ("1018", "1,500/s", "200/s", "10/s", "4,600 us", "1 %")


def test_the_short_form_is_short() -> None:
    lines = words.short_lines(examined(machines.GUEST))
    assert lines[0] == ("doctor: 25 settings: 16 good, 7 spoil, 2 unknown "
                        "(scripts/doctor tells why, and how to mend it)")
    assert len(lines) <= 5 and max(map(len, lines)) <= 100
    assert "hypervisor: a guest (CPUID says bhyve, the kernel's log KVM)" in " ".join(lines)
    assert words.short_lines(examined(machines.BARE)) == [
        "doctor: 25 settings: 25 good, 0 spoil, 0 unknown"]


def fake_probe(folder: Path, machine: dict[str, Any]) -> Path:
    """A folder of programs with a machine_probe that tells of this machine."""
    program = folder / "machine_probe"
    told = json.dumps({"schema_version": 1, "machine": machine, "noise": None})
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{told}\nEND\n")
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize("machine, strict, fit", [
    (machines.BARE, True, True), (machines.LAPTOP, False, True), (machines.LAPTOP, True, False)])
def test_only_strict_refuses(machine: dict[str, Any], strict: bool, fit: bool,
                             tmp_path: Path) -> None:
    assert short.is_fit(fake_probe(tmp_path, machine), strict) == fit


def test_a_machine_that_could_not_be_examined_is_not_strictly_fit(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert short.is_fit(tmp_path, strict=False)
    assert not short.is_fit(tmp_path, strict=True)
    (tmp_path / "machine_probe").write_text(
        "#!/bin/sh\necho 'machine_probe: topology: no' >&2; exit 2\n")
    (tmp_path / "machine_probe").chmod(0o755)
    assert short.is_fit(tmp_path, strict=False)
    assert capsys.readouterr().out.splitlines() == [
        "doctor: machine_probe: No such file or directory"] * 2 + [
        "doctor: machine_probe: topology: no"]


def run_command(monkeypatch: pytest.MonkeyPatch, machine: dict[str, Any], *arguments: str) -> int:
    monkeypatch.setattr(probe, "look", lambda **_: Seen(Facts(machine), QUIET))
    monkeypatch.setattr(probe, "resolutions", lambda: list(FINE))
    return command.main(list(arguments))


def test_strict_fails_where_something_spoils(monkeypatch: pytest.MonkeyPatch,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(monkeypatch, machines.LAPTOP) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "  frequency governor: sudo cpupower frequency-set -g performance" in shown
    assert "walks: differences under 0.8 % will not be resolved here" in shown
    assert run_command(monkeypatch, machines.LAPTOP, "--strict") == 1
    assert run_command(monkeypatch, machines.BARE, "--strict") == 0


def _keys(value: Any, path: str = "") -> set[str]:
    if isinstance(value, list):
        return {key for each in value for key in _keys(each, f"{path}[]")}
    if isinstance(value, dict) and path != "machine":
        return {key for name, each in value.items()
                for key in _keys(each, f"{path}.{name}".lstrip("."))}
    return {path}


def test_json_has_exactly_the_keys_of_its_description(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(monkeypatch, machines.LAPTOP, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    section = SCHEMA.read_text().split("## What scripts/doctor --json prints")[1].split("\n## ")[0]
    assert _keys(told) == set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


@pytest.mark.parametrize("arguments, complaint", [
    (["--tuna"], "unrecognized arguments: --tuna"),
    (["--strict", "--tune"], "--tune: goes with a command alone, not with --strict or --json"),
    (["--json", "--", "true"], "true: a command goes with --tune"),
])
def test_bad_input_is_one_line(arguments: list[str], complaint: str,
                               capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"scripts/doctor: {complaint}\n"


def test_resolution_follows_the_spread_of_the_repetitions(make_report: Callable[..., Path]) -> None:
    plan = {"repetitions": 40, "shootdowns": ("none",), "responders": (0,)}
    steady, shaky = (probe._resolution_in("walks", make_report(f"{noise}", noise=noise, **plan))
                     for noise in (0.02, 0.2))
    assert steady is not None and shaky is not None and steady.pairs == 40
    assert 4 < shaky.percent / steady.percent < 20
    assert 0 < steady.percent < 1
