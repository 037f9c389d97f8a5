#!/usr/bin/env bash
# package.sh ARCH PROGRAM OUT [--pages DIR] [--notices FILE]: a Debian package of a program that was built, for amd64, arm64 or armhf, into
# the folder OUT; its path is the last line. Needs dpkg-deb and readelf. DIR is what board/pages.sh wrote, FILE what `board/sbom.py notices` wrote;
# without them both are made here. The same inputs give the same bytes: times are SOURCE_DATE_EPOCH's, or the last commit's.
set -euo pipefail
umask 022
export LC_ALL=C TZ=UTC
[ $# -ge 3 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
arch=$1 program=$(realpath "$2") && mkdir -p "$3" && out=$(realpath "$3")
shift 3
pages="" notices=""
while [ $# -gt 0 ]; do
    case $1 in
    --pages) pages=$(realpath "$2") && shift 2 ;;
    --notices) notices=$(realpath "$2") && shift 2 ;;
    *) echo "package: what is $1?" >&2 && exit 2 ;;
    esac
done
cd "$(dirname "$0")/.."
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
version=$(awk -F'"' '/^version = / { print $2; exit }' Cargo.toml)
maintainer=${UPRES_MAINTAINER:-"The upres developers <upres@packages.invalid>"}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case $arch in
amd64) target=x86_64-unknown-linux-gnu machine='X86-64' ;;
arm64) target=aarch64-unknown-linux-gnu machine='AArch64' ;;
armhf) target=armv7-unknown-linux-gnueabihf machine='ARM' ;;
*) echo "package: $arch is none of amd64, arm64, armhf" >&2 && exit 2 ;;
esac
header=$(readelf -hW "$program")
grep -q "Machine: .*\b$machine\$" <<<"$header" || { echo "package: $program is not for $arch" >&2; exit 1; }
if [ "$arch" = armhf ] && ! grep -q 'hard-float ABI' <<<"$header"; then echo "package: $program is not for armhf but armel" >&2; exit 1; fi

# What the program needs of the system, by what stands in it: libraries, and the newest version of a symbol in each. Weak ones it can miss.
newest() { readelf -VW "$program" | awk -v prefix="Name: $1_" 'index($0, prefix) && !/WEAK/ { sub(/.*Name: [A-Z]*_/, ""); print $1 }' | sort -uV | tail -1; }
depends=""
for library in $(readelf -dW "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    case $library in
    libc.so.6 | libm.so.6 | libpthread.so.0 | libdl.so.2 | librt.so.1 | ld-linux*) needs="libc6 (>= $(newest GLIBC))" ;;
    libgcc_s.so.1) needs="libgcc-s1 (>= $(newest GCC))" ;;
    *) echo "package: whose is $library?" >&2 && exit 1 ;;
    esac
    case ", $depends, " in *", $needs, "*) ;; *) depends="${depends:+$depends, }$needs" ;; esac
done

[ -n "$pages" ] || { pages=$work/pages && sh board/pages.sh "$program" "$pages"; }
[ -n "$notices" ] || { notices=$work/notices && python3 board/sbom.py notices "$target" >"$notices"; }

root=$work/root
put() { install -D -m "$1" "$2" "$root/$3"; }
# gzip without a name or a time.
pack() { mkdir -p "$root/$(dirname "$1")" && gzip -9n >"$root/$1" && chmod 644 "$root/$1"; }
put 755 "$program" usr/bin/upres
put 644 "$pages/upres.bash" usr/share/bash-completion/completions/upres
put 644 "$pages/_upres" usr/share/zsh/vendor-completions/_upres
put 644 "$pages/upres.fish" usr/share/fish/vendor_completions.d/upres.fish
pack usr/share/man/man1/upres.1.gz <"$pages/upres.1"
put 644 board/upres-live.service usr/lib/systemd/system/upres-live.service
put 644 board/60-upres.rules usr/lib/udev/rules.d/60-upres.rules
put 644 board/debian/sysusers.conf usr/lib/sysusers.d/upres.conf
put 644 board/live.toml etc/upres/live.toml
put 644 board/board-camera.conf usr/share/doc/upres/examples/board-camera.conf
put 644 README.md usr/share/doc/upres/README.md
put 644 SECURITY.md usr/share/doc/upres/SECURITY.md
pack usr/share/doc/upres/changelog.gz <CHANGELOG.md
pack usr/share/doc/upres/third-party.txt.gz <"$notices"
pack usr/share/doc/upres/changelog.Debian.gz <<TEXT
upres ($version-1) stable; urgency=medium

  * Release $version: see changelog.gz.

 -- $maintainer  $(date -R -d "@$SOURCE_DATE_EPOCH")
TEXT
# Full text of the one licence, a pointer to Debian's copy of the other.
{
    cat <<TEXT
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: upres
Comment: Libraries of others are compiled in; third-party.txt.gz names them with their licences.

Files: *
Copyright: $(sed -n 's/^Copyright (c) //p' LICENSE-MIT)
License: Expat or Apache-2.0

License: Expat
TEXT
    sed '1,/^Copyright/d' LICENSE-MIT | sed '1{/^$/d}; s/^$/./; s/^/ /'
    cat <<'TEXT'

License: Apache-2.0
 On Debian systems the full text of the Apache License 2.0 is in
 /usr/share/common-licenses/Apache-2.0.
TEXT
} >"$work/copyright"
put 644 "$work/copyright" usr/share/doc/upres/copyright

for script in postinst prerm postrm; do put 755 "board/debian/$script" "DEBIAN/$script"; done
echo /etc/upres/live.toml >"$root/DEBIAN/conffiles"
(cd "$root" && find . -path ./DEBIAN -prune -o -path ./etc -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<TEXT
Package: upres
Version: $version-1
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(find "$root" -path "$root/DEBIAN" -prune -o -type f -printf '%s\n' | awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }')
Depends: $depends
Recommends: ffmpeg
Suggests: minisign, rpicam-apps-lite, v4l2loopback-dkms
Section: video
Priority: optional
Description: super-resolution for cameras, pictures and videos, on small machines
 Enlarges live cameras, pictures and videos with small neural networks, which
 are compiled in: no GPU, no Python, no network needed. A live picture goes to a
 screen, a browser, a virtual camera and recordings at once.
 .
 The service upres-live, which is not started by the installation, shows the
 first camera at http://127.0.0.1:8080 as /etc/upres/live.toml says.
TEXT
chmod 644 "$root"/DEBIAN/{conffiles,md5sums,control}
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
deb=$out/upres_$version-1_$arch.deb
# One thread, since the number of threads shows in the bytes; xz, since bullseye's dpkg knows no zstd.
DPKG_DEB_THREADS_MAX=1 dpkg-deb -Zxz -z6 --root-owner-group --build "$root" "$deb" >/dev/null
echo "package: $arch, $(stat -c %s "$deb") bytes, needs $depends" >&2
echo "$deb"
