#!/usr/bin/env bash
# Cameras, a virtual camera and a screen on a real kernel: Debian's, in QEMU by software emulation. Simulated are the sensor (vivid), the
# USB camera (uvcsim, behind the kernel's own uvcvideo driver) and the screen; all else is what a user has.
#
# Needs, as root: apt-get install -y qemu-system-x86 cpio kmod xz-utils zstd; a built target/release/upres; a network for the first run.
# The last line is VM-OK where all went well.
set -euo pipefail
cd "$(dirname "$0")/../.."
limit=${UPRES_VM_SECONDS:-240}
work=target/vm
mkdir -p "$work/debs"

for program in qemu-system-x86_64 cpio depmod modprobe xz zstd; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || { echo "$program is missing: see the head of $0" >&2; exit 1; }
done
target/release/upres --version

# The ordinary kernel: those for clouds have no cameras.
fetch() {
    ls "$work/debs/$1"_*.deb >/dev/null 2>&1 || (cd "$work/debs" && apt-get download -qq "$1")
}
if ! ls "$work"/debs/linux-image-*.deb >/dev/null 2>&1; then
    kernel=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
    [ -n "$kernel" ] || { apt-get update -qq && kernel=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }'); }
    fetch "$kernel"
fi
fetch busybox-static

CARGO_TARGET_DIR=$work/uvcsim cargo build --release --quiet --manifest-path tests/vm/uvcsim/Cargo.toml

# What the USB camera sees, and the same at another size.
for size in 320x240 160x120; do
    folder=$work/frames-$size
    [ -e "$folder/3.jpg" ] && continue
    mkdir -p "$folder"
    target/release/upres sample --size 480x320 "$work/sample.png"
    for i in 0 1 2 3; do
        target/release/upres sample --size "$size" "$folder/$i.jpg"
    done
done

extra=()
[ -n "${UPRES_CAMERA_TEST:-}" ] && extra+=("$UPRES_CAMERA_TEST")
bash tests/vm/pack.sh "$(ls "$work"/debs/linux-image-*.deb | tail -1)" "$(ls "$work"/debs/busybox-static_*.deb | tail -1)" \
    "$work" tests/vm/init "vivid uvcvideo vhci-hcd virtio-pci virtio-gpu" \
    tests/vm/checks target/release/upres "$work/uvcsim/release/uvcsim" "$work/frames-320x240" "$work/frames-160x120" "${extra[@]}"

# The monitor is a pair of pipes: the guest says when the screen is to be looked at.
rm -f "$work"/monitor.* "$work"/*.ppm && mkfifo "$work/monitor.in" "$work/monitor.out"
exec 3<>"$work/monitor.in" 4<>"$work/monitor.out"
started=$SECONDS
timeout "$limit" qemu-system-x86_64 -machine q35 -cpu max -accel tcg,thread=multi -smp 2 -m 768 \
    -nodefaults -no-reboot -display none -vga none -device virtio-gpu-pci,xres=640,yres=480,edid=on \
    -chardev pipe,id=monitor,path="$work/monitor" -mon chardev=monitor -serial stdio \
    -kernel "$work/vmlinuz" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 vt.global_cursor_default=0 consoleblank=0 ${UPRES_VM_APPEND:-}" </dev/null |
    tr -d '\r' | while IFS= read -r line; do
        printf '%s\n' "$line"
        case $line in
        SCREENDUMP\ *) printf 'screendump %s\n' "$work/${line#SCREENDUMP }.ppm" >&3 ;;
        esac
    done | tee "$work/log" || true
exec 3>&- 4>&-
echo "the virtual machine ran for $((SECONDS - started)) s"
grep -qx GUEST-OK "$work/log" || { echo "VM-FAILED: see $work/log" >&2; exit 1; }
echo VM-OK
