#!/usr/bin/env bash
# pack.sh KERNEL_DEB BUSYBOX_DEB OUT INIT "MODULE..." FILE...: makes OUT/vmlinuz and OUT/initrd of Debian's packages. The modules come with
# all that they need, in the order in which they load (/m/order); each FILE lies in /t, programs with their shared libraries: this machine's, or
# those of $SYSROOT/lib where that is set.
set -euo pipefail
kernel=$1 busybox=$2 out=$3 init=$4 modules=$5
shift 5
root=$out/root unpacked=$out/kernel
PATH=$PATH:/usr/sbin:/sbin

# Unpacking takes longest: kept for the same kernel.
if [ "$(cat "$unpacked/made" 2>/dev/null)" != "$(basename "$kernel")" ]; then
    rm -rf "$unpacked" && mkdir -p "$unpacked"
    dpkg --fsys-tarfile "$kernel" | tar -x -C "$unpacked" --wildcards './boot/vmlinuz*' './lib/modules/*' 2>/dev/null ||
        dpkg --fsys-tarfile "$kernel" | tar -x -C "$unpacked" --wildcards './boot/vmlinuz*' './usr/lib/modules/*'
    [ -d "$unpacked/lib/modules" ] || { mkdir -p "$unpacked/lib" && mv "$unpacked/usr/lib/modules" "$unpacked/lib/modules"; }
    depmod -b "$unpacked" "$(ls "$unpacked/lib/modules")"
    basename "$kernel" >"$unpacked/made"
fi
version=$(ls "$unpacked/lib/modules")
cp "$unpacked"/boot/vmlinuz* "$out/vmlinuz"

rm -rf "$root" && mkdir -p "$root"/{bin,dev,proc,sys,t,m,etc,tmp,lib64}
: >"$root/m/order"
for module in $modules; do
    modprobe -d "$unpacked" -S "$version" --show-depends "$module" | awk '/^insmod/ { print $2 }' | while read -r file; do
        name=$(basename "$file") && name=${name%.xz} && name=${name%.zst}
        grep -qx "$name" "$root/m/order" && continue
        case $file in
        *.xz) xz -dc "$file" >"$root/m/$name" ;;
        *.zst) zstd -dqc "$file" >"$root/m/$name" ;;
        *) cp "$file" "$root/m/$name" ;;
        esac
        echo "$name" >>"$root/m/order"
    done
done

dpkg --fsys-tarfile "$busybox" | { tar -xO ./bin/busybox 2>/dev/null || dpkg --fsys-tarfile "$busybox" | tar -xO ./usr/bin/busybox; } >"$root/bin/busybox"
chmod +x "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
# The loader and the libraries of a program, as "PLACE-IN-GUEST FILE" lines.
libraries() {
    if [ -z "${SYSROOT:-}" ]; then
        ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | sed 's/.*/& &/'
        return
    fi
    readelf -l "$1" 2>/dev/null | sed -n 's/.*interpreter: \(.*\)\]/\1/p' | sed "s|.*/\(.*\)|& $SYSROOT/lib/\1|"
    readelf -d "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sed "s|.*|/lib/& $SYSROOT/lib/&|"
}
for file in "$@"; do
    cp -rL "$file" "$root/t/"
    [ -f "$file" ] && [ -x "$file" ] || continue
    libraries "$file" | while read -r place library; do
        mkdir -p "$root$(dirname "$place")" && cp -L "$library" "$root$place"
    done || true
done
cp "$init" "$root/init" && chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$out/initrd"
echo "kernel $version, $(wc -l <"$root/m/order") modules, initrd $(($(stat -c %s "$out/initrd") / 1024)) KiB"
