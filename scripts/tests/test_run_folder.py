"""Names of report folders, and what they are made of."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from flushwalk import machine_facts, options, run

WHEN = datetime(2026, 3, 9, 14, 5, 7)


def test_folder_name_has_its_four_parts() -> None:
    name = machine_facts.folder_name(WHEN, "vm", "AMD EPYC 9354", "6.18.44-fc")
    assert name == "2026-03-09_140507-vm-AMD_EPYC_9354-6.18.44_fc"


@pytest.mark.parametrize(
    "text, name",
    [
        ("Intel/Xeon *", "Intel_Xeon"),
        ("../..", "unknown"),
        ("", "unknown"),
        ("-rf", "rf"),
        ("größe\n", "gr_e"),
        ("x" * 99, "x" * 40),
        ("a b", "a_b"),
    ],
)
def test_sanitised_names_are_fit_for_files(text: str, name: str) -> None:
    assert machine_facts.sanitised(text) == name


@pytest.mark.parametrize(
    "model, shown",
    [
        ("Intel(R) Xeon(R) Platinum 8488C CPU @ 2.40GHz", "Intel Xeon Platinum 8488C"),
        ("AMD EPYC 9354 32-Core Processor", "AMD EPYC 9354"),
        ("AMD EPYC", "AMD EPYC"),
    ],
)
def test_cpu_model_is_without_decoration(model: str, shown: str, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: {model}\nflags\t\t: fpu\n")
    assert machine_facts.cpu_model(cpuinfo) == shown


def test_without_a_model_name_the_architecture_serves(tmp_path: Path) -> None:
    assert machine_facts.cpu_model(tmp_path / "none") == machine_facts.platform.machine()


def test_threads_of_a_core_count_once(tmp_path: Path) -> None:
    for cpu, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        topology = tmp_path / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{siblings}\n")
    assert machine_facts.usable_cores([0, 1, 2, 3], tmp_path) == 2
    assert machine_facts.usable_cores([0, 2], tmp_path) == 1
    assert machine_facts.usable_cores([0, 1, 7], tmp_path) == 3  # 7 is unknown there: a core


def test_two_runs_in_one_second_get_two_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(machine_facts, "folder_for_now", lambda: "now")
    wanted = options.request([])
    names = [run._make_folder(wanted).name for _ in range(3)]
    assert names == ["now", "now_2", "now_3"]
    named = options.request(["--name=quiet.1"])
    assert [run._make_folder(named).name for _ in range(2)] == ["now-quiet.1", "now-quiet.1_2"]
