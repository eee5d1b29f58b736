"""bootstrap.sh with made-up dpkg-query, apt-get, sudo, cmake: what it installs, and what it says.

PATH is a folder made for the test, with no real apt-get in it: nothing is ever installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETS = ("run", "test", "compare", "guest", "pmu_guest", "shootdown_guest")
TOOLS = "bash env cat uname grep sed tr tail readlink dirname mkdir rm id nproc python3".split()

DPKG_QUERY = r'''#!/bin/bash
# The packages in $HOME/installed are there; $HOME/removed left their configuration.
status=0
for name in "${@:3}"; do
    if grep -qx -- "$name" "$HOME/installed"; then printf 'ii  %s\n' "$name"
    elif grep -qx -- "$name" "$HOME/removed"; then printf 'rc  %s\n' "$name"
    else echo "dpkg-query: no packages found matching $name" >&2; status=1
    fi
done
exit $status
'''
APT_GET = r'''#!/bin/bash
printf '%s|%s|%s|%s\n' "$*" "$DEBIAN_FRONTEND" "$PATH" "$(readlink /proc/self/fd/0)" >>"$HOME/apt"
[[ -n ${FAIL-} && $* == *"$FAIL"* ]] && { echo 'E: no network'; exit 100; }
[[ $* == *install* ]] && printf '%s\n' "${@:7}" >>"$HOME/installed"
exit 0
'''
APT_CACHE = r'''#!/bin/bash
! grep -qx -- "$2" "$HOME/unknown"
'''
SUDO = r'''#!/bin/bash
echo "$*" >>"$HOME/sudo"
[[ -n ${NO_PASSWORD-} ]] && { echo 'sudo: a password is required' >&2; exit 1; }
exec "$@"
'''


class Machine:
    """A machine of the test's own: commands, installed packages, a clone of the scripts."""

    def __init__(self, home: Path):
        self.home = home
        self.bin = home / "bin"
        self.bin.mkdir(parents=True)
        self.root = home / "a clone"
        shutil.copytree(ROOT / "scripts", self.root / "scripts",
                        ignore=shutil.ignore_patterns("__pycache__", "tests"))
        for tool in TOOLS:
            found = "/usr/bin/python3" if tool == "python3" else shutil.which(tool)
            (self.bin / tool).symlink_to(found)
        for name in ("installed", "removed", "unknown"):
            (home / name).touch()
        self.command("dpkg-query", DPKG_QUERY)
        self.command("apt-get", APT_GET)
        self.command("apt-cache", APT_CACHE)

    def command(self, name: str, text: str) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def user(self, number: int) -> None:
        self.command("id", f"#!/bin/bash\necho {number}\n")

    def bash(self, script: str, **environment: str) -> tuple[int, str, str]:
        script = f'set -euo pipefail; source "$ROOT/scripts/bootstrap.sh"; {script}'
        places = {"PATH": str(self.bin), "HOME": str(self.home), "ROOT": str(self.root)}
        done = subprocess.run(
            ["/bin/bash", "-c", script],
            cwd="/",
            env={**places, **environment},
            input="something for apt to read\n",
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    def apt_calls(self) -> list[list[str]]:
        path = self.home / "apt"
        return [line.split("|") for line in path.read_text().splitlines()] if path.exists() else []

    def installed(self) -> list[str]:
        return (self.home / "installed").read_text().split()

    def install_all(self, *sets: str) -> None:
        status, names, _ = self.bash(f"package_names {' '.join(sets)}")
        assert status == 0
        (self.home / "installed").write_text("".join(f"{n.split('|')[0]}\n" for n in names.split()))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "home")


def test_every_package_has_a_set_and_a_sentence() -> None:
    for line in (ROOT / "scripts" / "packages").read_text().splitlines():
        if line and not line.startswith("#"):
            which, name, what_for = line.split(maxsplit=2)
            assert which in SETS and name and len(what_for) > 5


def test_the_test_set_is_apart(machine: Machine) -> None:
    _, run_set, _ = machine.bash("package_names run")
    _, both, _ = machine.bash("package_names run test")
    assert "g++" in run_set.split() and "python3-pytest" not in run_set.split()
    assert set(run_set.split()) < set(both.split()) and "python3-pytest" in both.split()


def test_nothing_missing_calls_neither_apt_nor_sudo(machine: Machine) -> None:
    machine.install_all("run")
    machine.user(1000)
    machine.command("sudo", SUDO)
    assert machine.bash("install_packages run") == (0, "", "")
    assert machine.apt_calls() == []
    assert not (machine.home / "sudo").exists()


def test_only_what_is_missing_is_installed_and_only_once(machine: Machine) -> None:
    machine.install_all("run", "test")
    kept = [name for name in machine.installed() if name not in ("ninja-build", "libhwloc-dev")]
    (machine.home / "installed").write_text("\n".join([*kept, ""]))
    (machine.home / "removed").write_text("ninja-build\n")
    machine.user(0)
    status, _, said = machine.bash("install_packages run test")
    assert status == 0
    assert "installing 2 of " in said and "ninja-build" in said
    update, install = machine.apt_calls()
    assert update[0].endswith(" update")
    assert install[0].endswith(" install --no-install-recommends ninja-build libhwloc-dev")
    assert machine.bash("install_packages run test") == (0, "", "")
    assert len(machine.apt_calls()) == 2


def test_apt_asks_nothing_and_finds_what_dpkg_needs(machine: Machine) -> None:
    machine.user(0)
    assert machine.bash("install_packages run")[0] == 0
    for arguments, frontend, path, stdin in machine.apt_calls():
        assert "-y" in arguments.split()
        assert frontend == "noninteractive"
        assert "/usr/sbin" in path.split(":") and "/sbin" in path.split(":")
        assert stdin == "/dev/null"


def test_root_needs_no_sudo(machine: Machine) -> None:
    machine.user(0)
    machine.command("sudo", SUDO)
    assert machine.bash("install_packages run")[0] == 0
    assert len(machine.apt_calls()) == 2
    assert not (machine.home / "sudo").exists()


def test_others_use_sudo_for_apt_alone(machine: Machine) -> None:
    machine.user(1000)
    machine.command("sudo", SUDO)
    assert machine.bash("install_packages run")[0] == 0
    calls = (machine.home / "sudo").read_text().splitlines()
    assert len(calls) == 2 and all(" apt-get " in call for call in calls)
    assert len(machine.apt_calls()) == 2


@pytest.mark.parametrize(
    "with_sudo, words", [(True, "sudo: a password is required"), (False, "there is no sudo")]
)
def test_without_rights_it_says_so_and_what_to_do(
    machine: Machine, with_sudo: bool, words: str
) -> None:
    machine.user(1000)
    if with_sudo:
        machine.command("sudo", SUDO)
    status, _, said = machine.bash("install_packages run", NO_PASSWORD="1")
    assert status == 1
    assert words in said
    assert "install by hand: apt-get install --no-install-recommends g++ " in said
    assert machine.apt_calls() == []


def test_apt_that_fails_is_told(machine: Machine) -> None:
    machine.user(0)
    status, _, said = machine.bash("install_packages run; echo went on", FAIL="install")
    assert status == 1
    assert "E: no network" in said
    assert "install by hand: " in said


def test_lists_that_cannot_be_updated_need_not_matter(machine: Machine) -> None:
    machine.user(0)
    status, _, said = machine.bash("install_packages run", FAIL="update")
    assert status == 0
    assert "apt-get update failed" in said


@pytest.mark.parametrize("there", ["pkg-config", "pkgconf"])
def test_one_of_two_alternatives_is_enough(machine: Machine, there: str) -> None:
    machine.install_all("run")
    others = [name for name in machine.installed() if name != "pkg-config"]
    (machine.home / "installed").write_text("\n".join([*others, there, ""]))
    assert machine.bash("install_packages run") == (0, "", "")


@pytest.mark.parametrize(
    "unknown, chosen", [("", "libclang-rt-dev"), ("libclang-rt-dev\n", "libclang-common-14-dev")]
)
def test_of_two_alternatives_the_known_one_is_installed(
    machine: Machine, unknown: str, chosen: str
) -> None:
    machine.user(0)
    (machine.home / "unknown").write_text(unknown)
    assert machine.bash("install_packages test")[0] == 0
    assert chosen in machine.apt_calls()[1][0].split()
    assert "|" not in machine.apt_calls()[1][0]


def test_other_systems_get_the_names_and_exit_2(machine: Machine) -> None:
    for name in ("dpkg-query", "apt-get"):
        (machine.bin / name).unlink()
    status, out, said = machine.bash("install_packages run; echo went on")
    assert (status, out) == (2, "")
    assert "libhwloc-dev" in said and "python3-pandas" in said and "|" not in said
    assert machine.bash("install_packages run", FLUSHWALK_PACKAGES_INSTALLED="1") == (0, "", "")


@pytest.mark.parametrize("script", ["run", "test", "shootdown_guest"])
def test_scripts_stop_on_other_systems(machine: Machine, script: str) -> None:
    (machine.bin / "apt-get").unlink()
    status, out, said = machine.bash(f'"$ROOT/scripts/{script}" </dev/null; echo went on')
    assert (status, out) == (2, "")
    assert said.startswith(f"{script}: packages are installed on Debian and Ubuntu only")


def test_help_and_complaints_install_nothing(machine: Machine) -> None:
    status, out, _ = machine.bash('"$ROOT/scripts/run" --help')
    assert status == 0 and "--filter" in out and "examples:" in out
    status, _, said = machine.bash('"$ROOT/scripts/run" --nonsense')
    assert status == 2 and "--nonsense" in said
    assert machine.bash('"$ROOT/scripts/run" --list')[0] == 0
    assert machine.bash('"$ROOT/scripts/test" --help')[0] == 0
    assert machine.apt_calls() == []
    assert not (machine.root / "build").exists()


@pytest.mark.parametrize("arguments, complaint", [
    ("--nonsense", "--nonsense: no such option"),
    ("one two", "two: one folder at most"),
    ("/dev/null/report", "/dev/null/report: a folder that can be written to"),
])
def test_an_emulated_guest_wants_one_folder(
    machine: Machine, arguments: str, complaint: str
) -> None:
    machine.command("uname", "#!/bin/bash\necho x86_64\n")
    status, out, said = machine.bash(f'"$ROOT/scripts/shootdown_guest" {arguments}')
    assert (status, out) == (2, "")
    assert said.startswith(f"shootdown_guest: {complaint}") and said.count("\n") == 1
    assert machine.apt_calls() == []


def test_an_emulated_guest_runs_this_machines_programs(machine: Machine) -> None:
    machine.command("uname", "#!/bin/bash\necho aarch64\n")
    status, _, said = machine.bash('"$ROOT/scripts/shootdown_guest"')
    assert status == 2 and "this machine is aarch64" in said and said.count("\n") == 1
    assert machine.bash('"$ROOT/scripts/shootdown_guest" --help')[0] == 0


OPTIONAL = "install_optional_packages compare; echo went on"


def test_what_is_only_compared_with_is_installed_where_it_is_on_offer(machine: Machine) -> None:
    machine.user(0)
    (machine.home / "unknown").write_text("libabsl-dev\n")
    status, out, said = machine.bash(OPTIONAL)
    assert (status, out) == (0, "went on\n")
    assert said == "installing for comparison: libjudy-dev\n"
    (install,) = machine.apt_calls()
    assert install[0].endswith(" install --no-install-recommends libjudy-dev")
    assert machine.bash(OPTIONAL) == (0, "went on\n", "")
    assert len(machine.apt_calls()) == 1


def test_what_is_only_compared_with_may_fail_to_be_installed(machine: Machine) -> None:
    machine.user(0)
    status, out, said = machine.bash(OPTIONAL, FAIL="install")
    assert (status, out) == (0, "went on\n")
    assert "going on without libabsl-dev libjudy-dev" in said


def test_what_is_only_compared_with_is_not_asked_of_other_systems(machine: Machine) -> None:
    (machine.bin / "apt-get").unlink()
    assert machine.bash(OPTIONAL) == (0, "went on\n", "")
    assert machine.bash(OPTIONAL, FLUSHWALK_PACKAGES_INSTALLED="1") == (0, "went on\n", "")


# ---- Python ----


def stub_python(machine: Machine, name: str, text: str) -> None:
    (machine.home / name).mkdir()
    path = machine.home / name / "python3"
    path.write_text(text)
    path.chmod(0o755)


def test_a_python_with_the_modules_that_comes_first_is_taken_silently(machine: Machine) -> None:
    assert machine.bash("pick_python json csv") == (0, f"{machine.bin}/python3\n", "")


def test_a_python_without_the_modules_is_passed_over_and_said(machine: Machine) -> None:
    stub_python(machine, "other", "#!/bin/bash\nexit 1\n")
    status, out, said = machine.bash(
        'PATH="$HOME/other:$PATH"; pick_python json'
    )
    assert (status, out) == (0, f"{machine.bin}/python3\n")
    other = f"{machine.home}/other/python3"
    assert said == f"using {machine.bin}/python3: {other} lacks some of: json\n"


def test_debians_python_is_found_when_path_has_none_that_will_do(machine: Machine) -> None:
    stub_python(machine, "other", "#!/bin/bash\necho 'pyenv: no such version' >&2; exit 127\n")
    (machine.bin / "python3").unlink()
    status, out, said = machine.bash('PATH="$HOME/other:$PATH"; pick_python json')
    assert (status, out) == (0, "/usr/bin/python3\n")
    assert "using /usr/bin/python3" in said and "pyenv" not in said


def test_no_python_with_the_modules_is_an_error(machine: Machine) -> None:
    status, out, said = machine.bash("pick_python no_such_module_here")
    assert (status, out) == (1, "")
    assert "no python3" in said and "no_such_module_here" in said


def test_a_folder_in_the_callers_place_is_no_module(machine: Machine) -> None:
    (machine.home / "no_such_module_here").mkdir()
    assert machine.bash('cd "$HOME"; pick_python no_such_module_here')[0] == 1


def test_modules_are_those_of_the_clone_not_of_the_callers_place(machine: Machine) -> None:
    (machine.home / "flushwalk").mkdir()
    (machine.home / "flushwalk" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    script = 'cd "$HOME"; exec_module "$(pick_python)" flushwalk.options --list'
    status, out, _ = machine.bash(script)
    assert status == 0 and out.startswith("flush_walk/")


# ---- Build ----

CMAKE = r'''#!/bin/bash
echo "$*|$PWD|${CCACHE_DISABLE-}|${CCACHE_DIR-}" >>"$HOME/cmake"
[[ $1 == "${FAIL-}" ]] && { echo 'error: it broke'; exit 1; }
if [[ $1 == --preset ]]; then
    mkdir -p "build/$2"
    echo "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" >"build/$2/CMakeCache.txt"
    : >"build/$2/build.ninja"
fi
exit 0
'''
NINJA = "#!/bin/bash\n[[ -e $HOME/work ]] && echo '[1/2] CXX' || echo 'ninja: no work to do.'\n"


@pytest.fixture
def builder(machine: Machine) -> Machine:
    machine.command("cmake", CMAKE)
    machine.command("ninja", NINJA)
    (machine.root / "CMakePresets.json").write_text("{}")
    os.utime(machine.root / "CMakePresets.json", (1, 1))
    return machine


def cmake_calls(machine: Machine) -> list[str]:
    path = machine.home / "cmake"
    return [line.split("|")[0] for line in path.read_text().splitlines()] if path.exists() else []


def test_a_build_configures_once_and_is_quiet(builder: Machine) -> None:
    status, out, said = builder.bash("build_preset release one two")
    assert (status, out) == (0, "")
    assert said == "building release (log: build/logs/build-release.log)\n"
    configure, build = cmake_calls(builder)
    assert configure == "--preset release"
    assert build.startswith("--build --preset release --target one two --parallel ")
    assert builder.bash("build_preset release one two") == (0, "", "")  # nothing to do
    assert len(cmake_calls(builder)) == 2
    (builder.home / "work").touch()
    assert builder.bash("build_preset release")[0] == 0
    assert len(cmake_calls(builder)) == 3


@pytest.mark.parametrize("what", ["--preset", "--build"])
def test_a_failed_build_shows_the_logs_end(builder: Machine, what: str) -> None:
    status, _, said = builder.bash("build_preset release || exit 7", FAIL=what)
    assert status == 7
    assert "error: it broke" in said
    assert "build of release failed" in said


def test_a_moved_clone_and_newer_presets_are_configured_anew(builder: Machine) -> None:
    assert builder.bash("build_preset release")[0] == 0
    moved = builder.root.rename(builder.home / "moved")
    builder.root = moved
    assert builder.bash("build_preset release")[0] == 0
    assert cmake_calls(builder)[2] == "--preset release"
    future = (moved / "build/release/CMakeCache.txt").stat().st_mtime + 10
    os.utime(moved / "CMakePresets.json", (future, future))
    assert builder.bash("build_preset release")[0] == 0
    assert cmake_calls(builder)[4] == "--preset release"


CCACHE = r'''#!/bin/bash
[[ ${CCACHE_DIR-} == *"$WORKS"* ]] || { echo 'ccache: error: read-only file system' >&2; exit 1; }
'''


@pytest.mark.parametrize(
    "works, disabled, folder",
    [("", "", ""), ("build/ccache", "", "/a clone/build/ccache"), ("nowhere", "1", "")],
)
def test_ccache_that_fails_does_not_fail_the_build(
    builder: Machine, works: str, disabled: str, folder: str
) -> None:
    builder.command("ccache", CCACHE)
    assert builder.bash("build_preset release", WORKS=works)[0] == 0
    last = (builder.home / "cmake").read_text().splitlines()[-1].split("|")
    assert last[2] == disabled
    assert last[3].endswith(folder) and bool(last[3]) == bool(folder)


def test_a_build_may_run_under_another_command(builder: Machine) -> None:
    builder.command("setarch", '#!/bin/bash\necho "$*" >>"$HOME/setarch"; shift 2; exec "$@"\n')
    assert builder.bash("build_prefix=(setarch x -R); build_preset tsan")[0] == 0
    assert len((builder.home / "setarch").read_text().splitlines()) == 2
