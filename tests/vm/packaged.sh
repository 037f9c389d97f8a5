#!/usr/bin/env bash
# packaged.sh ARCH DEB: the package in a whole Debian with systemd and udev, on Debian's kernel in QEMU (software emulation; amd64, or arm64 as a
# Raspberry Pi 4's processor): installed, started in its sandbox, fed by vivid, reloaded, killed, restarted, enabled, purged.
#
# Needs, as root: apt-get install -y qemu-system-x86 (qemu-system-arm for arm64) mmdebstrap arch-test qemu-user-static cpio kmod xz-utils zstd
# e2fsprogs; a network for the first run. The last line is PACKAGED-OK where all went well.
set -euo pipefail
arch=$1 deb=$(realpath "$2")
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
limit=${UPRES_VM_SECONDS:-900}
work=$PWD/target/vm-$arch
mkdir -p "$work/debs" "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
case $arch in
amd64) emulator=(qemu-system-x86_64 -machine q35 -cpu max) console=ttyS0 runner="" ;;
arm64) emulator=(qemu-system-aarch64 -machine virt -cpu cortex-a72) console=ttyAMA0 runner=tests/foreign.sh ;;
*) echo "packaged: $arch is neither amd64 nor arm64" >&2 && exit 2 ;;
esac
for program in "${emulator[0]}" mmdebstrap cpio depmod mke2fs; do command -v "$program" >/dev/null || { echo "$program is missing: see the head of $0" >&2; exit 1; }; done

# Debian's ordinary kernel and a busybox for its first steps, by a state of apt of its own: this machine need not know the architecture.
apt() {
    apt-get -qq -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" \
        -o Dir::State::status="$work/apt/status" "$@"
}
if [ ! -e "$work/debs/complete" ]; then
    : >"$work/apt/status"
    apt update
    kernel=$(apt-cache -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" \
        -o Dir::State::status="$work/apt/status" depends "linux-image-$arch" | awk '/Depends: linux-image/ { print $2; exit }')
    (cd "$work/debs" && apt download "$kernel" busybox-static)
    touch "$work/debs/complete"
fi
if [ ! -e "$work/system.tar" ]; then
    $runner mmdebstrap --quiet --mode=root --variant=minbase --architectures="$arch" --include=systemd-sysv,udev,kmod,dbus,zstd,libnss-systemd \
        bookworm "$work/new.tar" 2>"$work/system.log" || { cat "$work/system.log" >&2; exit 1; }
    mv "$work/new.tar" "$work/system.tar"
fi

# The first steps: to the disk, and on.
cat >"$work/init" <<'INIT'
#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs d /dev
mount -t proc p /proc
mount -t sysfs s /sys
for module in $(cat /m/order); do insmod "/m/$module" || echo "$module does not load"; done
mkdir /n
until [ -e /dev/vda ]; do sleep 0.2; done
mount -t ext4 /dev/vda /n || exec sh
umount /proc /sys
exec switch_root /n /lib/systemd/systemd
INIT
bash tests/vm/pack.sh "$(ls "$work"/debs/linux-image-*.deb)" "$(ls "$work"/debs/busybox-static_*.deb)" "$work" "$work/init" "virtio-pci virtio-blk crc32c_generic ext4"

# The disk: Debian, the camera's driver, the package, the checks.
disk=$work/disk
rm -rf "$disk" && mkdir -p "$disk"
tar -x -C "$disk" --exclude './dev/*' -f "$work/system.tar"
version=$(ls "$work/kernel/lib/modules")
for module in vivid; do
    modprobe -d "$work/kernel" -S "$version" --show-depends "$module" | awk '/^insmod/ { print $2 }'
done | sort -u | while read -r file; do
    install -D -m 644 "$file" "$disk/usr${file#"$work/kernel"}"
done
install -m 644 "$work"/kernel/lib/modules/"$version"/modules.{order,builtin,builtin.modinfo} "$disk/usr/lib/modules/$version/"
depmod -b "$disk" "$version"
cp "$deb" "$disk/opt/upres.deb"
install -m 755 tests/vm/service tests/vm/probe "$disk/opt/"
cat >"$disk/etc/systemd/system/checks.service" <<UNIT
[Unit]
After=multi-user.target
[Service]
Type=exec
ExecStart=/opt/service
StandardOutput=tty
StandardError=tty
TTYPath=/dev/$console
UNIT
mkdir -p "$disk/etc/systemd/system/multi-user.target.wants"
ln -s ../checks.service "$disk/etc/systemd/system/multi-user.target.wants/"
for unit in "serial-getty@$console" getty@tty1 apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer; do
    case $unit in *.timer) ;; *) unit=$unit.service ;; esac
    ln -sf /dev/null "$disk/etc/systemd/system/$unit"
done
echo "options vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0" >"$disk/etc/modprobe.d/vivid.conf"
rm -f "$work/disk.img"
mke2fs -q -t ext4 -d "$disk" "$work/disk.img" 1500M
rm -rf "$disk"

started=$SECONDS
timeout "$limit" "${emulator[@]}" -accel tcg,thread=multi -smp 2 -m 1024 -nodefaults -no-reboot -display none -vga none -serial stdio \
    -drive "file=$work/disk.img,format=raw,if=none,id=disk,cache=unsafe" -device virtio-blk-pci,drive=disk \
    -kernel "$work/vmlinuz" -initrd "$work/initrd" -append "console=$console quiet loglevel=1 panic=-1 systemd.show_status=no ${UPRES_VM_APPEND:-}" </dev/null |
    tr -d '\r' | tee "$work/log" || true
echo "the virtual machine ran for $((SECONDS - started)) s"
grep -qx GUEST-OK "$work/log" || { echo "PACKAGED-FAILED: see $work/log" >&2; exit 1; }
echo "PACKAGED-OK $arch"
