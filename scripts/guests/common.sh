# shellcheck shell=bash
# What the scripts that boot an emulated guest share. To be sourced after bootstrap.sh.

# guest_wants NAME...: programs, or exit 2: what a machine without apt-get can't help itself to.
guest_wants() {
    local name
    for name in "$@"; do
        command -v "$name" >/dev/null || die 2 "there is no $name: Debian is wanted"
    done
}

# fetch_packages FOLDER ARCH KERNEL PACKAGE...: unpacks into FOLDER/root, for Debian's architecture
# ARCH, the newest kernel that the package KERNEL depends on, and the packages. Nothing is
# installed: a private apt, so that the machine's own lists and packages stay as they are. Does
# nothing if a kernel is there already.
fetch_packages() {
    local folder=$1 arch=$2 meta=$3 state=$1/apt kernel package
    shift 3
    if ls "$folder"/root/boot/vmlinuz-* >/dev/null 2>&1; then
        return 0
    fi
    local -a apt=(-o "APT::Architecture=$arch" -o "APT::Architectures::=$arch"
        -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache"
        -o APT::Sandbox::User=root -o Debug::NoLocking=1)
    rm -rf -- "$folder/packages"
    mkdir -p -- "$state/lists/partial" "$state/cache/archives/partial" "$folder/packages"
    : >"$state/status"
    say "fetching a kernel and packages for the guest (log: ${folder#"$flushwalk_root"/}/apt.log)"
    apt-get -q "${apt[@]}" update >"$folder/apt.log" 2>&1 ||
        die 1 "apt-get update failed: $folder/apt.log"
    kernel=$(apt-cache -q "${apt[@]}" depends "$meta" |
        sed -n 's/^ *Depends: \(linux-image-[^:]*\).*/\1/p' | head -n 1)
    [[ -n $kernel ]] || die 1 "apt has no $meta"
    (cd -- "$folder/packages" && apt-get -q "${apt[@]}" download "$kernel" "$@") \
        >>"$folder/apt.log" 2>&1 || die 1 "apt-get download failed: $folder/apt.log"
    mkdir -p -- "$folder/unpacked"
    for package in "$folder"/packages/*.deb; do
        dpkg -x "$package" "$folder/unpacked"
    done
    # In one step: a run that was interrupted before fetches anew.
    rm -rf -- "$folder/root"
    mv -- "$folder/unpacked" "$folder/root"
}

# pack_initramfs FOLDER FILE
pack_initramfs() {
    (cd -- "$1" && find . | cpio --quiet -o -H newc) >"$2"
}
