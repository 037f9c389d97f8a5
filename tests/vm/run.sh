#!/usr/bin/env bash
# Cameras, a virtual camera and a screen on a real kernel: Debian's, in QEMU by software emulation.
#   bash tests/vm/run.sh          amd64: every camera, v4l2loopback, every way to the screen
#   bash tests/vm/run.sh arm64    a board (UPRES_CPU, cortex-a72 unless set): from a camera to the screen and to a browser
# Simulated are the sensor (vivid), the USB camera (uvcsim, behind the kernel's own uvcvideo driver) and the screen; all else is what a user has.
#
# Needs, as root: apt-get install -y cpio kmod xz-utils zstd, and qemu-system-x86 gcc make or qemu-system-arm; a network for the first run;
# target/release/upres, and for arm64 'bash board/cross.sh build aarch64-unknown-linux-gnu'. The last line is VM-OK where all went well.
set -euo pipefail
cd "$(dirname "$0")/../.."
arch=${1:-amd64}
limit=${UPRES_VM_SECONDS:-240}
work=target/vm/$arch
mkdir -p "$work/debs"

need() {
    for program in "$@"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || { echo "$program is missing: see the head of $0" >&2; exit 1; }
    done
}
need cpio depmod modprobe xz zstd
case $arch in
amd64)
    need qemu-system-x86_64 gcc make
    program=target/release/upres run=checks modules="vivid uvcvideo vhci-hcd virtio-pci virtio-gpu" console=ttyS0 sysroot=
    machine=(qemu-system-x86_64 -machine q35 -cpu max)
    ;;
arm64)
    need qemu-system-aarch64
    program=target/cross/aarch64-unknown-linux-gnu/release/upres run=board modules="vivid uvcvideo vhci-hcd virtio-pci virtio-gpu" console=ttyAMA0
    sysroot=/usr/aarch64-linux-gnu
    machine=(qemu-system-aarch64 -machine virt -cpu "${UPRES_CPU:-cortex-a72}")
    ;;
*) echo "'$arch' is no architecture: see the head of $0" >&2 && exit 2 ;;
esac
[ -x "$program" ] || { echo "$program is missing: see the head of $0" >&2; exit 1; }
target/release/upres --version

# apt for that architecture, with a state of its own where it is not this machine's.
state=$PWD/$work/apt
packages() {
    local tool=$1 settings=()
    shift
    if [ "$arch" != "$(dpkg --print-architecture)" ]; then
        mkdir -p "$state"/{lists/partial,archives/partial}
        : >"$state/status"
        settings=(-o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state" -o APT::Architecture="$arch"
            -o APT::Architectures="$arch" -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root)
    fi
    "$tool" "${settings[@]}" "$@"
}
fetch() {
    ls "$work/debs/$1"_*.deb >/dev/null 2>&1 || (cd "$work/debs" && packages apt-get download -qq "$1" 2>/dev/null)
}
# Debian's ordinary kernel (those for clouds have no cameras), and what builds v4l2loopback for it.
newest() { { packages apt-cache depends "linux-image-$arch" 2>/dev/null || true; } | awk '/Depends: linux-image/ { print $2; exit }'; }
if [ ! -e "$work/debs/complete" ]; then
    rm -f "$work"/debs/*
    kernel=$(newest)
    if [ -z "$kernel" ] || ! fetch "$kernel"; then packages apt-get update -qq && kernel=$(newest) && fetch "$kernel"; fi
    version=${kernel#linux-image-}
    wanted=(busybox-static)
    [ "$arch" = arm64 ] || wanted+=("linux-headers-$version" "linux-headers-${version%-*}-common" "linux-kbuild-${version%%-*}" v4l2loopback-dkms)
    for package in "${wanted[@]}"; do
        fetch "$package" || fetch "${package%.*}"
    done
    touch "$work/debs/complete"
fi
kernel=$(ls "$work"/debs/linux-image-*.deb)

files=()
if [ "$arch" = amd64 ]; then
    if [ "$(cat "$work/loopback/made" 2>/dev/null)" != "$(basename "$kernel")" ]; then
        rm -rf "$work/loopback" && mkdir -p "$work/loopback"
        for deb in "$work"/debs/linux-headers-*.deb "$work"/debs/linux-kbuild-*.deb "$work"/debs/v4l2loopback-dkms_*.deb; do
            dpkg-deb -x "$deb" "$work/loopback"
        done
        # The headers name each other by the place where they are installed.
        headers=$(realpath "$work"/loopback/usr/src/linux-headers-*-amd64)
        sed -i "s|include /usr/src|include $PWD/$work/loopback/usr/src|" "$headers/Makefile"
        make -s -C "$headers" M="$(realpath "$work"/loopback/usr/src/v4l2loopback-*)" CC=gcc modules
        basename "$kernel" >"$work/loopback/made"
    fi
    files+=(tests/vm/live "$work"/loopback/usr/src/v4l2loopback-*/v4l2loopback.ko)
    CARGO_TARGET_DIR=$work/uvcsim cargo build --release --quiet --manifest-path tests/vm/uvcsim/Cargo.toml
    uvcsim=$work/uvcsim/release/uvcsim

    # The test of cameras, where it was built: by 'cargo test --release' or 'cargo build --release --test camera'.
    camera=${UPRES_CAMERA_TEST:-$(find target/release/deps -name 'camera-*' -executable -type f -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -1 | cut -d' ' -f2)}
    [ -n "$camera" ] || { echo "target/release/deps/camera-* is missing: cargo build --release --test camera" >&2; exit 1; }
    cp "$camera" "$work/camera"
    strip "$work/camera"
    files+=("$work/camera")
else
    bash board/cross.sh cargo aarch64-unknown-linux-gnu zigbuild --release --quiet --manifest-path tests/vm/uvcsim/Cargo.toml
    uvcsim=target/cross/aarch64-unknown-linux-gnu/release/uvcsim
fi
echo "$run" >"$work/run"

# What the USB camera sees, and the same at another size.
for size in 320x240 160x120; do
    folder=$work/frames-$size
    [ -e "$folder/3.jpg" ] && continue
    mkdir -p "$folder"
    for i in 0 1 2 3; do
        target/release/upres sample --size "$size" "$folder/$i.jpg"
    done
done
# One frame for a pipe: ten bars of grey, 24 rows each.
if [ ! -e "$work/still.y4m" ]; then
    {
        printf 'YUV4MPEG2 W320 H240 F5:1 Ip A1:1 Cmono XCOLORRANGE=FULL\nFRAME\n'
        for bar in 000 034 070 124 160 214 250 304 340 377; do head -c 7680 /dev/zero | tr '\0' "\\$bar"; done
    } >"$work/still.y4m"
fi

SYSROOT=$sysroot bash tests/vm/pack.sh "$kernel" "$(ls "$work"/debs/busybox-static_*.deb)" "$work" tests/vm/init "$modules" \
    tests/vm/words "tests/vm/$run" "$work/run" "$program" "$uvcsim" "$work/frames-320x240" "$work/frames-160x120" "$work/still.y4m" "${files[@]}"

# The monitor is a pair of pipes: the guest says when the screen is to be looked at.
rm -f "$work"/monitor.* "$work"/*.ppm && mkfifo "$work/monitor.in" "$work/monitor.out"
exec 3<>"$work/monitor.in" 4<>"$work/monitor.out"
started=$SECONDS
timeout "$limit" "${machine[@]}" -accel tcg,thread=multi -smp 2 -m 768 \
    -nodefaults -no-reboot -display none -device virtio-gpu-pci,xres=640,yres=480,edid=on \
    -chardev pipe,id=monitor,path="$work/monitor" -mon chardev=monitor -serial stdio \
    -kernel "$work/vmlinuz" -initrd "$work/initrd" \
    -append "console=$console quiet panic=-1 vt.global_cursor_default=0 consoleblank=0 ${UPRES_VM_APPEND:-}" </dev/null |
    while IFS= read -r line; do
        line=${line%$'\r'}
        printf '%s\n' "$line"
        case $line in
        SCREENDUMP\ *) printf 'screendump %s\n' "$work/${line#SCREENDUMP }.ppm" >&3 ;;
        esac
    done | tee "$work/log" || true
exec 3>&- 4>&-
echo "the virtual machine ran for $((SECONDS - started)) s"
# Pixels, not the header. The white screen proves that the monitor sees what a program drew.
pixels() { tail -c $((640 * 480 * 3)) "$work/$1.ppm"; }
[ "$(pixels white | tr -cd '\377' | wc -c)" = $((640 * 480 * 3)) ] || { echo "the white screen is not white" >&2; exit 1; }
for screen in fb drm; do
    picture=$work/$screen.ppm
    [ -e "$picture" ] || { echo "nobody looked at the screen by $screen" >&2; exit 1; }
    header=$(($(stat -c %s "$picture") - 640 * 480 * 3))
    # Ten grey bars of 48 rows, enlarged: in the middle of each, its own grey.
    for bar in 0 1 2 3 4 5 6 7 8 9; do
        place=$((header + (bar * 48 + 24) * 640 * 3 + 320 * 3))
        grey=$(od -An -tu1 -j "$place" -N 1 "$picture" | tr -d ' ')
        set -- 0 28 56 84 112 140 168 196 224 255
        shift "$bar"
        [ $((grey > $1 ? grey - $1 : $1 - grey)) -le 3 ] || { echo "the screen shows $grey in bar $bar, not $1" >&2; exit 1; }
    done
    echo "check the_screen_shows_the_enlarged_picture_by_$screen ... ok"
done
grep -qx GUEST-OK "$work/log" || { echo "VM-FAILED: see $work/log" >&2; exit 1; }
echo VM-OK
