#!/bin/sh
# pages.sh PROGRAM OUT: the man page and the completions, as the program itself writes them: OUT/upres.1, upres.bash, _upres, upres.fish.
# They are the same for every architecture. A program for another one runs where qemu does; UPRES_RUNNER names it ("qemu-aarch64-static -L /usr/aarch64-linux-gnu").
set -eu
program=$1 out=$2
mkdir -p "$out"
for page in man:upres.1 bash:upres.bash zsh:_upres fish:upres.fish; do
    # shellcheck disable=SC2086  # a program and its arguments
    # A terminal's width must not show in what is written.
    COLUMNS=100 LC_ALL=C ${UPRES_RUNNER:-} "$program" completions "${page%%:*}" >"$out/${page#*:}"
    [ -s "$out/${page#*:}" ] || { echo "pages: $program gave nothing for ${page%%:*}" >&2; exit 1; }
done
