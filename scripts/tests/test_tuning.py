"""doctor --tune on a folder that stands for /: what is set is put back, whatever happens."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flushwalk.doctor import tuning

SCRIPTS = Path(__file__).resolve().parents[1]
BEFORE = {
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "powersave\n",
    "sys/devices/system/cpu/cpufreq/policy4/scaling_governor": "schedutil\n",
    "sys/devices/system/cpu/cpufreq/boost": "1\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never\n",
    "sys/kernel/mm/transparent_hugepage/shmem_enabled": "always within_size [advise] never\n",
    "proc/sys/kernel/numa_balancing": "0\n",
    "proc/sys/kernel/perf_event_paranoid": "4\n",
    "proc/sys/vm/stat_interval": "1\n",
}
TUNED = {
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "performance",
    "sys/devices/system/cpu/cpufreq/policy4/scaling_governor": "performance",
    "sys/devices/system/cpu/cpufreq/boost": "0",
    "sys/kernel/mm/transparent_hugepage/enabled": "madvise",
    "sys/kernel/mm/transparent_hugepage/shmem_enabled": "advise",
    "proc/sys/kernel/numa_balancing": "0",
    "proc/sys/kernel/perf_event_paranoid": "-1",
    "proc/sys/vm/stat_interval": "120",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name, text in BEFORE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def values(root: Path) -> dict[str, str]:
    return {name: tuning.value_in(root / name) for name in BEFORE}


def was(name: str) -> str:
    text = BEFORE[name].strip()
    return text.split("[")[1].split("]")[0] if "[" in text else text


ALL_BACK = {name: was(name) for name in BEFORE}


def tuned(root: Path, *command: str) -> tuple[int | None, list[str], list[str]]:
    told: list[str] = []
    complaints: list[str] = []
    status = tuning.tuned(root, command, told.append, complaints.append)
    return status, told, complaints


def test_a_command_runs_on_the_tuned_machine_which_is_then_as_before(root: Path) -> None:
    copy = root.parent / "copy"
    status, told, complaints = tuned(root, "sh", "-c", f"cp -r '{root}' '{copy}'; exit 7")
    assert (status, complaints) == (7, [])
    assert values(copy) == TUNED
    assert values(root) == ALL_BACK
    # What it was is told first; what was fine already is neither told nor touched.
    assert f"{root}/sys/kernel/mm/transparent_hugepage/enabled: always -> madvise" in told
    assert len(told) == 7 and told[-1] == "6 settings are as they were"
    assert (root / "proc/sys/kernel/numa_balancing").read_text() == "0\n"


def test_a_command_that_cannot_be_started_leaves_the_machine_as_it_was(root: Path) -> None:
    status, _, complaints = tuned(root, "/no/such/program")
    assert (status, complaints) == (127, ["/no/such/program: No such file or directory"])
    assert values(root) == ALL_BACK


def test_a_failure_of_our_own_puts_back_what_was_set(root: Path) -> None:
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 4:
            raise BrokenPipeError("nobody reads any more")

    with pytest.raises(BrokenPipeError):
        tuning.tuned(root, ["true"], tell, lambda _: None)
    assert values(root) == ALL_BACK


def test_where_nothing_can_be_set_nothing_is_run(tmp_path: Path) -> None:
    (tmp_path / "proc/sys/vm/stat_interval").mkdir(parents=True)
    ran = tmp_path / "ran"
    status, told, complaints = tuned(tmp_path, "touch", str(ran))
    assert (status, told) == (None, [])
    assert complaints == [f"{tmp_path}/proc/sys/vm/stat_interval stays as it is: Is a directory"]
    assert not ran.exists()


def test_what_cannot_be_put_back_is_said_and_the_rest_is_put_back(root: Path) -> None:
    broken = root / "proc/sys/vm/stat_interval"
    status, _, complaints = tuned(root, "sh", "-c", f"rm '{broken}'; mkdir '{broken}'")
    assert status == 1
    assert complaints == [f"{broken} could not be put back to 1: Is a directory"]
    broken.rmdir()
    broken.write_text("1")
    assert values(root) == ALL_BACK


DRIVER = "import sys; sys.path[0] = sys.argv[1]\n" \
         "from flushwalk.doctor.command import main; sys.exit(main(sys.argv[2:]))"


def start(root: Path, *command: str) -> subprocess.Popen[str]:
    """doctor --tune, as a program, once the machine is tuned."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(SCRIPTS), "--root", str(root), "--tune", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while values(root) != TUNED:
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_without_a_command_a_signal_puts_all_back(
        root: Path, number: signal.Signals, status: int) -> None:
    process = start(root)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == status
    assert values(root) == ALL_BACK


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_command_to_close_its_files(
        root: Path, number: signal.Signals) -> None:
    ready, seen = root / "ready", root / "seen"
    command = (f"trap \"sleep 0.3; cp '{root}/proc/sys/vm/stat_interval' '{seen}'; exit 9\" INT TERM; "
               f"touch '{ready}'; while :; do sleep 0.05; done")
    process = start(root, "--", "sh", "-c", command)
    until = time.monotonic() + 60
    while not ready.exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 9
    assert seen.read_text() == "120"  # it was still tuned while it closed them
    assert values(root) == ALL_BACK
