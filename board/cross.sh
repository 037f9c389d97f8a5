#!/usr/bin/env bash
# Builds upres for another machine without a container engine, and runs what was built by emulation:
#   bash board/cross.sh setup TARGET...          installs what that needs (Debian 12 or later, as root or with sudo)
#   bash board/cross.sh build TARGET [ARGS...]   builds the program; its path is the last line
#   bash board/cross.sh cargo TARGET [ARGS...]   any other command of cargo for TARGET; tests run on the CPU named by UPRES_CPU
# TARGET: aarch64-unknown-linux-gnu, armv7-unknown-linux-gnueabihf or x86_64-unknown-linux-gnu.
#
# The compiler is the one at hand where it has TARGET's standard library (rustup target add TARGET), or else Debian's rustc-web, whose
# ARM libraries are fetched from Debian's archive without adding an architecture. zig links, since it knows every version of glibc: the
# program starts with UPRES_GLIBC (2.27 unless set: Ubuntu 18.04 and JetPack 4, Debian 10) and all that came later.
set -euo pipefail
cd "$(dirname "$0")/.."
store=$PWD/target/cross
glibc=${UPRES_GLIBC:-2.27}
python=$store/python

fail() { echo "cross: $*" >&2; exit 1; }
# Debian's name of the architecture, GNU's of the target, the emulator.
names() {
    case $1 in
    aarch64-unknown-linux-gnu) arch=arm64 gnu=aarch64-linux-gnu emulator=qemu-aarch64-static headers=linux-libc-dev-arm64-cross ;;
    armv7-unknown-linux-gnueabihf) arch=armhf gnu=arm-linux-gnueabihf emulator=qemu-arm-static headers=linux-libc-dev-armhf-cross ;;
    x86_64-unknown-linux-gnu) arch=amd64 gnu=x86_64-linux-gnu emulator=qemu-x86_64-static headers=linux-libc-dev ;;
    *) fail "'$1' is no target: see the head of $0" ;;
    esac
}

root=""
[ "$(id -u)" = 0 ] || root=sudo
have() {
    local missing=()
    for package in "$@"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
    [ ${#missing[@]} = 0 ] && return
    $root apt-get -o DPkg::Lock::Timeout=600 update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive $root apt-get -o DPkg::Lock::Timeout=600 install -y -q --no-install-recommends "${missing[@]}" >/dev/null
}

has_std() { compgen -G "$("$1" --print target-libdir --target "$2" 2>/dev/null)/libstd-*.rlib" >/dev/null; }
compiler() {
    for rustc in rustc /usr/bin/rustc; do
        if has_std "$rustc" "$1"; then command -v "$rustc" && return; fi
    done
    fail "no compiler here has the standard library of $1: bash board/cross.sh setup $1"
}

# apt for the architecture $arch with a state of its own: the machine's is left alone. $1: the release to look in, or none for the machine's.
foreign() {
    local suite=$1 state=$store/apt-$arch$1 sources=()
    shift
    mkdir -p "$state"/{lists/partial,archives/partial}
    : >"$state/status"
    if [ -n "$suite" ]; then
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(apt-get indextargets --format '$(REPO_URI)' | head -1) $suite main" >"$state/sources.list"
        sources=(-o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null)
    fi
    apt-get -q -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state" -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root "${sources[@]}" "$@"
}

# The standard library of $1, laid where Debian's compiler looks for it. The next release may have it too, of the same compiler.
fetch_std() {
    local unpacked=$store/std-$arch version suite
    version=$(dpkg-query -W -f '${Version}' rustc-web)
    for suite in "" trixie; do
        rm -rf "$unpacked" && mkdir -p "$unpacked"
        foreign "$suite" update >/dev/null 2>&1 || true
        [ -z "$suite" ] || version="${version%%~*}*"
        (cd "$unpacked" && foreign "$suite" download "libstd-rust-web-dev=$version" >/dev/null) && break
    done
    dpkg -x "$unpacked"/*.deb "$unpacked"
    $root mkdir -p /usr/lib/rustlib
    $root ln -sfn "$unpacked/usr/lib/rustlib/$1" "/usr/lib/rustlib/$1"
}

setup() {
    have libclang-dev python3-venv qemu-user-static
    [ -x "$python/bin/cargo-zigbuild" ] || { python3 -m venv "$python" && "$python/bin/pip" install -q ziglang==0.17.1 cargo-zigbuild==0.24.0; }
    for target in "$@"; do
        names "$target"
        have "$headers"
        [ "$arch" = amd64 ] || have "libc6-dev-$arch-cross" "libgcc-s1-$arch-cross"
        has_std rustc "$target" && continue
        apt-cache show rustc-web >/dev/null 2>&1 || fail "first run: rustup target add $target"
        have rustc-web
        has_std /usr/bin/rustc "$target" || fetch_std "$target"
        has_std /usr/bin/rustc "$target" || fail "Debian's compiler still has no standard library of $target"
    done
}

run_cargo() {
    local target=$1 upper
    shift
    names "$target"
    [ -x "$python/bin/cargo-zigbuild" ] || fail "first run: bash board/cross.sh setup $target"
    upper=$(printf %s "$target" | tr a-z- A-Z_)
    export RUSTC RUSTDOC CARGO_TARGET_DIR=$store CARGO_ZIGBUILD_ZIG_PATH=$python/bin/python-zig
    RUSTC=$(compiler "$target")
    RUSTDOC=$(dirname "$RUSTC")/rustdoc
    if [ "$arch" != amd64 ]; then
        # cargo starts the tests by it, and the tests the program.
        export UPRES_RUNNER="$emulator -cpu ${UPRES_CPU:-max} -L /usr/$gnu"
        export "CARGO_TARGET_${upper}_RUNNER=$UPRES_RUNNER"
    fi
    # Flags from the environment hide those of .cargo/config.toml.
    if [ "$arch" = armhf ] && [ -n "${RUSTFLAGS:-}" ]; then export RUSTFLAGS="$RUSTFLAGS -C overflow-checks=on"; fi
    local command=$1
    shift
    # With hyphens, as no shell can export it: cargo-zigbuild sets the one with underscores, and this goes before it.
    PATH=$python/bin:$PATH env "BINDGEN_EXTRA_CLANG_ARGS_$target=-I/usr/$gnu/include -I/usr/include -I/usr/include/$gnu" cargo-zigbuild "$command" --target "$target.$glibc" "$@"
}

action=${1:-} target=${2:-}
[ -n "$target" ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
shift
case $action in
setup) setup "$@" ;;
build)
    shift
    profile=release
    for argument in "$@"; do case $argument in --profile=*) profile=${argument#*=} ;; esac; done
    [ $profile != release ] || set -- --release "$@"
    run_cargo "$target" zigbuild --bin upres "$@"
    echo "$store/$target/$profile/upres"
    ;;
cargo) shift && run_cargo "$target" "$@" ;;
*) fail "'$action' is nothing that this does: see its head" ;;
esac
