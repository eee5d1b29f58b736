# shellcheck shell=bash
# What every script needs before it can do its job: packages, a Python, a build.
# To be sourced; the scripts beside it then call, in this order:
#   install_packages run [test]      what is missing, through apt-get; exits 2 on other systems
#   install_optional_packages SET... what is missing and on offer; goes on without what is not
#   python=$(pick_python MODULE...)  an interpreter that has the modules
#   build_preset PRESET [TARGET...]  configures and builds quietly; returns non-zero on failure
#   exec_module PYTHON MODULE ARG... becomes main(ARGs) of a Python module of scripts/
# Nothing that is already there is installed or built again. Output is for a person: one line a step
# on stderr, the details in build/logs. Works with a login shell's PATH and in folders with spaces.

flushwalk_root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
flushwalk_logs=$flushwalk_root/build/logs

say() {
    printf '%s\n' "$*" >&2
}

die() { # die STATUS TEXT
    say "${0##*/}: $2"
    exit "$1"
}

# ---- Packages ----

# package_names SET...: the names in scripts/packages, one a line; alternatives as a|b.
package_names() {
    local set name sets=" $* "
    while read -r set name _; do
        if [[ -n $set && $set != '#'* && $sets == *" $set "* ]]; then
            printf '%s\n' "$name"
        fi
    done <"$flushwalk_root/scripts/packages"
}

# missing_packages NAME...: those of which no alternative is installed. Takes 30 ms.
missing_packages() {
    local installed=' ' name alternative state
    local -a alternatives
    mapfile -t alternatives < <(printf '%s\n' "$@" | tr '|' '\n')
    while read -r state name; do
        if [[ $state == ?i ]]; then # wanted or held, and wholly installed
            installed+="$name "
        fi
    done < <(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "${alternatives[@]}" 2>/dev/null)
    for name in "$@"; do
        IFS='|' read -ra alternatives <<<"$name"
        for alternative in "${alternatives[@]}"; do
            if [[ $installed == *" $alternative "* ]]; then
                continue 2
            fi
        done
        printf '%s\n' "$name"
    done
}

is_debian() {
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null &&
        grep -Eq '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release 2>/dev/null
}

# as_root COMMAND...: through sudo if need be. dpkg wants /usr/sbin in PATH.
as_root() {
    local -a prefix=()
    if [[ $(id -u) != 0 ]]; then
        command -v sudo >/dev/null || {
            say "not root, and there is no sudo"
            return 1
        }
        prefix=(sudo)
    fi
    "${prefix[@]}" env "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin" DEBIAN_FRONTEND=noninteractive \
        "$@" </dev/null
}

# What apt-get prints goes into a log. It waits for a machine that is updating itself.
apt_get() {
    as_root apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" \
        >>"$flushwalk_logs/apt.log" 2>&1
}

install_packages() { # install_packages SET...
    local name
    local -a names missing chosen=()
    mapfile -t names < <(package_names "$@")
    if [[ -n ${FLUSHWALK_PACKAGES_INSTALLED:-} ]]; then
        return 0
    fi
    if ! is_debian; then
        say "${0##*/}: packages are installed on Debian and Ubuntu only. Please install by hand:"
        say "  ${names[*]//|*/}"
        say "(Debian's names); then start again with FLUSHWALK_PACKAGES_INSTALLED=1 set"
        exit 2
    fi
    mapfile -t missing < <(missing_packages "${names[@]}")
    if ((${#missing[@]} == 0)); then
        return 0
    fi
    mkdir -p -- "$flushwalk_logs" || die 1 "can't write to $flushwalk_root/build"
    say "installing ${#missing[@]} of ${#names[@]} packages: ${missing[*]//|*/}"
    # A repository of the user's which is out of order need not matter: the install below decides.
    apt_get update || say "apt-get update failed; trying with the package lists as they are"
    for name in "${missing[@]}"; do
        if [[ $name == *'|'* ]] && ! apt-cache show "${name%%|*}" >/dev/null 2>&1; then
            name=${name##*|}
        fi
        chosen+=("${name%%|*}")
    done
    apt_get install --no-install-recommends "${chosen[@]}" || {
        say "the packages could not be installed; the end of $flushwalk_logs/apt.log:"
        tail -n 20 -- "$flushwalk_logs/apt.log" >&2
        die 1 "install by hand: apt-get install --no-install-recommends ${chosen[*]}"
    }
}

# Never fails, and asks no system but Debian's and Ubuntu's. What is not on offer is not named.
install_optional_packages() { # install_optional_packages SET...
    local name
    local -a names missing offered=()
    if [[ -n ${FLUSHWALK_PACKAGES_INSTALLED:-} ]] || ! is_debian; then
        return 0
    fi
    mapfile -t names < <(package_names "$@")
    mapfile -t missing < <(missing_packages "${names[@]}")
    for name in "${missing[@]}"; do
        if apt-cache show "$name" >/dev/null 2>&1; then
            offered+=("$name")
        fi
    done
    if ((${#offered[@]} == 0)); then
        return 0
    fi
    mkdir -p -- "$flushwalk_logs" || return 0
    say "installing for comparison: ${offered[*]}"
    apt_get install --no-install-recommends "${offered[@]}" ||
        say "going on without ${offered[*]} (see $flushwalk_logs/apt.log)"
}

# ---- Python ----

# pick_python MODULE...: prints the first interpreter (3.9 or later) that has the modules. Those in
# PATH come first, then Debian's own, for which the packages are: another may hide it.
pick_python() {
    local candidate first=''
    while read -r candidate; do
        first=${first:-$candidate}
        if [[ -x $candidate ]] && has_modules "$candidate" "$@"; then
            if [[ $candidate != "$first" ]]; then
                say "using $candidate: $first lacks some of: $*"
            fi
            printf '%s\n' "$candidate"
            return 0
        fi
    done < <(
        type -aP python3
        printf '%s\n' /usr/bin/python3 /usr/local/bin/python3
    )
    say "${0##*/}: no python3 (3.9 or later) with the modules: $*"
    return 1
}

# has_modules PYTHON MODULE...: finds them without importing them, which would take a second.
has_modules() {
    "$1" -c '
import sys
sys.path.pop(0)
import importlib.util as util
sys.exit(sys.version_info < (3, 9) or any(util.find_spec(name) is None for name in sys.argv[1:]))
' "${@:2}" >/dev/null 2>&1 </dev/null
}

# exec_module PYTHON MODULE ARG...: not python -m, which would look in the caller's folder first.
exec_module() {
    exec "$1" -c "
import sys
sys.path[0] = sys.argv.pop(1)
from $2 import main
sys.exit(main(sys.argv[1:]))
" "$flushwalk_root/scripts" "${@:3}"
}

# ---- Build ----

# ccache is a convenience: one that can't write (read-only home, full disk) must not fail the build.
# Paths are taken relative to the clone, so that another clone of the same tree finds what is there.
use_ccache_if_it_works() {
    command -v ccache >/dev/null || return 0
    export CCACHE_BASEDIR=$flushwalk_root CCACHE_NOHASHDIR=1
    export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ccache_works && return 0
    export CCACHE_DIR=$flushwalk_root/build/ccache
    ccache_works && return 0
    unset CCACHE_DIR
    export CCACHE_DISABLE=1
    say "ccache does not work here (read-only cache?); building without it"
}

ccache_works() { # the probe is compiled anew, not looked up
    printf 'int main() {}\n' >"$flushwalk_logs/probe.cc" &&
        CCACHE_RECACHE=1 ccache "${CXX:-g++}" -c "$flushwalk_logs/probe.cc" \
            -o "$flushwalk_logs/probe.o" >/dev/null 2>&1
}

# needs_configure FOLDER: a cache of another place (a moved clone) or of older presets is no use.
needs_configure() {
    local home
    [[ -f $1/build.ninja && -f $1/CMakeCache.txt ]] || return 0
    home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$1/CMakeCache.txt")
    if [[ $home != "$flushwalk_root" ]]; then
        rm -rf -- "$1/CMakeCache.txt" "$1/CMakeFiles"
        return 0
    fi
    [[ $flushwalk_root/CMakePresets.json -nt $1/CMakeCache.txt ]]
}

# build_preset PRESET [TARGET...]: all targets if none is named. Takes 0.1 s if nothing has changed.
# Its commands are run through build_prefix, an array that a script may set.
build_prefix=()
build_preset() {
    local preset=$1 folder=$flushwalk_root/build/$1 log=$flushwalk_logs/build-$1.log configure=false
    local -a target=()
    shift
    (($# == 0)) || target=(--target "$@")
    if needs_configure "$folder"; then
        configure=true
    elif [[ $(ninja -C "$folder" -n "$@" 2>/dev/null) == *'no work to do'* ]]; then
        return 0
    fi
    mkdir -p -- "$flushwalk_logs" || die 1 "can't write to $flushwalk_root/build"
    use_ccache_if_it_works
    say "building $preset (log: build/logs/${log##*/})"
    if (
        cd -- "$flushwalk_root" || exit
        if [[ $configure == true ]]; then
            "${build_prefix[@]}" cmake --preset "$preset" || exit
        fi
        "${build_prefix[@]}" cmake --build --preset "$preset" "${target[@]}" \
            --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
    ) >"$log" 2>&1 </dev/null; then
        return 0
    fi
    say "the build of $preset failed; the end of $log:"
    tail -n 40 -- "$log" >&2
    return 1
}
