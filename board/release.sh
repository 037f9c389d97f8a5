#!/usr/bin/env bash
# release.sh [--program ARCH=PATH]... [--arch ARCH]... [--out DIR] [--sign KEY] [--check] [VERSION]: all that is published of a version, into DIR
# (target/release-VERSION): for amd64, arm64 and armhf an archive, a Debian package and a list of what is in them (CycloneDX), and SHA256SUMS.
#   --program  takes a program that was built, instead of building it by board/cross.sh; only the architectures named are made
#   --arch     builds this architecture only
#   --sign     signs SHA256SUMS with this minisign key
#   --check    makes everything twice, in two folders, and says whether the bytes are the same; with --program it packs twice (a minute), without it
#              builds twice from two clones of the last commit (an hour and more)
# Needs git, cargo, python3, readelf, dpkg-deb, GNU tar, xz, and what board/cross.sh needs. Times in the files are the last commit's.
set -euo pipefail
umask 022
export LC_ALL=C TZ=UTC
root=$(realpath "$(dirname "$0")/..")
program=() arches=() out="" key="" check="" wanted=""
while [ $# -gt 0 ]; do
    case $1 in
    --program) program+=("$2") && shift 2 ;;
    --arch) arches+=("$2") && shift 2 ;;
    --out) mkdir -p "$2" && out=$(realpath "$2") && shift 2 ;;
    --sign) key=$(realpath "$2") && shift 2 ;;
    --check) check=yes && shift ;;
    -*) sed -n '2,9s/^# //p' "$0" >&2 && exit 2 ;;
    *) wanted=$1 && shift ;;
    esac
done
for i in "${!program[@]}"; do program[i]=${program[i]%%=*}=$(realpath "${program[i]#*=}"); done
cd "$root"
version=$(awk -F'"' '/^version = / { print $2; exit }' Cargo.toml)
[ -z "$wanted" ] || [ "$wanted" = "$version" ] || { echo "release: Cargo.toml says $version, not $wanted" >&2; exit 1; }
git diff --quiet HEAD || echo "release: there are changes that are not committed" >&2
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
out=${out:-$root/target/release-$version}
# A folder that holds anything else is somebody's.
if [ -n "$(ls -A "$out" 2>/dev/null)" ] && [ ! -e "$out/SHA256SUMS" ]; then echo "release: $out holds other files; name an empty folder" >&2; exit 1; fi
rm -f "$out"/upres{-,_}* "$out"/SHA256SUMS*

target() {
    case $1 in
    amd64) echo x86_64-unknown-linux-gnu ;;
    arm64) echo aarch64-unknown-linux-gnu ;;
    armhf) echo armv7-unknown-linux-gnueabihf ;;
    *) echo "release: $1 is none of amd64, arm64, armhf" >&2 && return 1 ;;
    esac
}

# No folder of this machine may stand in the program, neither rustc's nor the C compiler's.
build() {
    local cargo=${CARGO_HOME:-$HOME/.cargo} maps
    export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$root=/upres --remap-path-prefix=$cargo=/cargo"
    maps="-ffile-prefix-map=$root=/upres -ffile-prefix-map=$cargo=/cargo"
    export CFLAGS="${CFLAGS:-} $maps" CXXFLAGS="${CXXFLAGS:-} $maps"
    bash board/cross.sh setup "$1" >&2
    bash board/cross.sh build "$1" --profile=dist | tail -1
}

# What runs programs of that architecture where this machine cannot.
emulator() {
    case $1 in
    arm64) echo "qemu-aarch64-static -L /usr/aarch64-linux-gnu" ;;
    armhf) echo "qemu-arm-static -L /usr/arm-linux-gnueabihf" ;;
    esac
}

archive() {
    local arch=$1 path=$2 pages=$3 notices=$4 name
    name=upres-$version-$(target "$arch")
    local folder=$work/$name
    install -D -m 755 "$path" "$folder/upres"
    install -D -m 644 -t "$folder" README.md CHANGELOG.md SECURITY.md LICENSE-MIT LICENSE-APACHE
    install -D -m 644 "$notices" "$folder/THIRD-PARTY.txt"
    install -D -m 644 "$pages/upres.1" "$folder/man/man1/upres.1"
    install -D -m 644 -t "$folder/completions" "$pages/upres.bash" "$pages/_upres" "$pages/upres.fish"
    install -D -m 644 -t "$folder/board" board/live.toml board/upres-live.service board/60-upres.rules board/board-camera.conf
    # The order, the owners, the times and the number of threads would show in the bytes.
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=gnu -C "$work" -c "$name" |
        xz -6 -T1 >"$out/$name.tar.xz"
    rm -rf "$folder"
}

sign() {
    [ -z "$key" ] || minisign -S -s "$key" -m "$out/SHA256SUMS" -t "upres $version"
}

make() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$out"
    if [ ${#program[@]} = 0 ]; then
        [ ${#arches[@]} != 0 ] || arches=(amd64 arm64 armhf)
        for arch in "${arches[@]}"; do program+=("$arch=$(build "$(target "$arch")")"); done
    fi
    # Every architecture has the same pages; one that runs here writes them.
    local native=""
    for each in "${program[@]}"; do
        if "${each#*=}" --version 2>/dev/null | grep -qx "upres $version"; then native=${each#*=}; fi
    done
    for each in "${program[@]}"; do
        local arch=${each%%=*} path=${each#*=}
        UPRES_RUNNER=$([ -n "$native" ] || emulator "$arch") sh board/pages.sh "${native:-$path}" "$work/pages"
        python3 board/sbom.py notices "$(target "$arch")" >"$work/notices"
        python3 board/sbom.py bom "$(target "$arch")" "$path" >"$out/upres-$version-$(target "$arch").cdx.json"
        archive "$arch" "$path" "$work/pages" "$work/notices"
        bash board/package.sh "$arch" "$path" "$out" --pages "$work/pages" --notices "$work/notices" >/dev/null
    done
    (cd "$out" && find . -maxdepth 1 -type f -not -name 'SHA256SUMS*' -printf '%P\0' | sort -z | xargs -0 sha256sum >SHA256SUMS)
    sign
    (cd "$out" && stat -c '%s %n' -- *)
}

# Twice, in folders with names of different length, under different habits.
twice() {
    local one two
    both=$(mktemp -d)
    trap 'rm -rf "$both"' EXIT
    one=$both/one two=$both/another-folder
    local options=()
    for each in "${program[@]}"; do options+=(--program "$each"); done
    for each in "${arches[@]}"; do options+=(--arch "$each"); done
    for folder in "$one" "$two"; do
        git clone -q "$root" "$folder"
        # Before a commit, what is packed is what lies here.
        if [ ${#program[@]} != 0 ]; then git ls-files -z | xargs -0 cp --parents -t "$folder"; fi
    done
    (umask 077 && cd "$one" && bash board/release.sh "${options[@]}" --out "$both/first")
    (umask 002 && cd / && TZ=Asia/Tokyo LC_ALL=C.UTF-8 bash "$two/board/release.sh" "${options[@]}" --out "$both/second" >/dev/null)
    diff -r "$both/first" "$both/second" || { echo "release: two builds differ" >&2; exit 1; }
    mkdir -p "$out" && cp -p "$both/first"/* "$out"
    sign
    echo "RELEASE-SAME: $(wc -l <"$out/SHA256SUMS") files, made twice, have the same bytes"
}

if [ -n "$check" ]; then twice; else make; fi
