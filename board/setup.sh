#!/bin/sh
# Installs what a build needs beside Rust, on Debian, Ubuntu and Raspberry Pi OS. Does nothing where all is there.
#   sh board/setup.sh          a C compiler (parts of tract and libwebp are C and assembly) and libclang (reads the kernel's camera header)
#   sh board/setup.sh tests    also ffmpeg, which the tests of `upres video` run
set -eu
want=""
command -v cc >/dev/null 2>&1 || want="$want gcc libc6-dev"
set -- "${1:-}" /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so*
clang=""
for file in "$@"; do case $file in */libclang-cpp*) ;; */libclang*) [ -e "$file" ] && clang=$file ;; esac; done
[ -n "$clang" ] || want="$want libclang-dev"
if [ "$1" = tests ] && ! command -v ffmpeg >/dev/null 2>&1; then want="$want ffmpeg"; fi
if ! command -v cargo >/dev/null 2>&1; then
    echo "setup: Rust is missing; install it from https://rustup.rs and run this again" >&2
    exit 1
fi
[ -n "$want" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: install these with your package manager:$want" >&2
    exit 1
fi
root=""
[ "$(id -u)" = 0 ] || root=sudo
$root apt-get update -q
# shellcheck disable=SC2086  # a list of package names
DEBIAN_FRONTEND=noninteractive $root apt-get install -y -q --no-install-recommends $want
