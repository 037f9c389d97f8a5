#!/usr/bin/env bash
# foreign.sh COMMAND...: runs a command where programs for arm64 and armhf run by qemu-user-static. Where the machine does not do that by itself, the
# command gets a user namespace with a register of its own (Linux 6.7 and newer): nothing is registered on the machine. As root.
set -euo pipefail
runs() { arch-test "$1" >/dev/null 2>&1; }
register=/proc/sys/fs/binfmt_misc
if [ "${1:-}" = --inside ]; then
    # Only when the parent has written who is who here.
    read -r _ <"$2"
    # A container may keep /proc from being mounted anew; then the old one will do.
    mount -t proc proc /proc 2>/dev/null || true
    mount -t binfmt_misc none "$register"
    for cpu in aarch64 arm; do cat "/usr/lib/binfmt.d/qemu-$cpu.conf" >"$register/register"; done
    runs arm64 || { echo "foreign: programs for arm64 do not run" >&2; exit 1; }
    exec "${@:3}"
fi
if runs arm64 && runs armhf; then exec "$@"; fi
start=$(mktemp -u)
mkfifo "$start"
trap 'rm -f "$start"' EXIT
unshare --user --mount --pid --fork --kill-child "$0" --inside "$start" "$@" <&0 &
inside=$!
until [ "$(readlink "/proc/$inside/ns/user")" != "$(readlink /proc/self/ns/user)" ]; do
    kill -0 "$inside" 2>/dev/null || { echo "foreign: no user namespace can be had here; register qemu-aarch64 and qemu-arm on the machine" >&2; exit 1; }
    sleep 0.05
done
# Everyone is who they are outside.
echo "0 0 65536" >"/proc/$inside/uid_map"
echo "0 0 65536" >"/proc/$inside/gid_map"
echo go >"$start"
wait "$inside"
