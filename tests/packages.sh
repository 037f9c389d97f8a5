#!/usr/bin/env bash
# packages.sh ARCH DEB [SUITE]: installs a package in a fresh Debian (bookworm, or SUITE) of its architecture, uses it there, removes it, and looks
# for what it left behind. amd64 runs as it is, arm64 and armhf by qemu-user-static. Nothing outside target/packages is touched.
#
# Needs, as root: apt-get install -y mmdebstrap arch-test qemu-user-static; a network for the first run (the fresh Debian is kept).
# UPRES_NATIVE names a program of the same version for this machine: both must give the same bytes. The last line is PACKAGE-OK where all went well.
set -euo pipefail
export LC_ALL=C TZ=UTC

# Where programs of the architecture run, and mounts are nobody else's.
inside() {
    local arch=$1 root=$2 bad=0
    # The Pi 4, and the oldest 32-bit one with NEON.
    case $arch in arm64) export QEMU_CPU=cortex-a72 ;; armhf) export QEMU_CPU=cortex-a7 ;; esac
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive UPRES_ROOT=$root
    mount --rbind /dev "$root/dev"
    mount --rbind /proc "$root/proc"
    in_it() { chroot "$root" "$@"; }
    quietly() { in_it "$@" >"$root.log" 2>&1 || { tail -20 "$root.log" && return 1; }; }
    check() {
        if eval "$2"; then echo "check $1 ... ok ($SECONDS s)"; else echo "check $1 ... FAILED" && bad=1; fi
    }

    files "$root" >"$root.before"
    check installs_with_what_it_needs "quietly apt-get install -y -q --no-install-recommends /upres.deb"
    check files_are_what_was_packed "in_it dpkg -V upres && ! in_it dpkg -V upres | grep ."
    check program_runs "in_it upres --version"
    check sample_is_drawn "in_it upres sample --size 64x48 /tmp/s.png"
    check upscale_works "in_it upres upscale /tmp/s.png -o /tmp/x4.png --model small-x4-int8 --quiet && [ \"\$(size $root/tmp/x4.png)\" = '256 192' ]"
    check floats_work_too "in_it upres upscale /tmp/s.png -o /tmp/float.png --model small-x2 --quiet && [ \"\$(size $root/tmp/float.png)\" = '128 96' ]"
    [ ! -e "$root/tmp/x4.png" ] || echo "int8 bytes on $arch: $(sha256sum <"$root/tmp/x4.png" | cut -c1-16)"
    if [ -e "$root/tmp/native.png" ]; then check int8_gives_the_bytes_of_this_machine "cmp $root/tmp/x4.png $root/tmp/native.png"; fi
    # The configuration as it is installed, with a test card for a camera.
    check live_follows_its_configuration "in_it upres live --config /etc/upres/live.toml --source pattern:size=160x90,rate=5 --http 127.0.0.1:0 --record /tmp --model small-x2 --frames 3 --seconds 90 --json >$root.live 2>$root.log && grep -q '\"captured\": *[1-9]' $root.live"
    check man_page_is_there "zcat $root/usr/share/man/man1/upres.1.gz | grep -q '^.SH LIVE'"
    check bash_completes "in_it bash -c '. /usr/share/bash-completion/completions/upres && complete -p upres' | grep -q upres"
    check zsh_and_fish_have_theirs "grep -q '^#compdef upres' $root/usr/share/zsh/vendor-completions/_upres && grep -q 'complete -c upres' $root/usr/share/fish/vendor_completions.d/upres.fish"
    check files_are_owned "[ \$(in_it dpkg -S /usr/bin/upres /etc/upres/live.toml /usr/lib/systemd/system/upres-live.service /usr/lib/udev/rules.d/60-upres.rules | grep -c ^upres:) = 4 ]"
    check nothing_is_enabled "[ -z \"\$(find $root/etc/systemd -name 'upres*' 2>/dev/null)\" ]"
    check nobody_else_may_write "[ -z \"\$(in_it dpkg -L upres | sed s:^:$root: | xargs -d '\n' stat -c '%A %U %n' | grep -v '^l' | grep -E '^.{5}w|^.{8}w| [^r][^ ]* ' )\" ]"

    # What an administrator and the service would write.
    echo '# mine' >>"$root/etc/upres/live.toml"
    echo secret >"$root/etc/upres/token"
    mkdir -p "$root/var/lib/private/upres/recordings" && ln -s private/upres "$root/var/lib/upres"
    check reinstalls "quietly dpkg -i /upres.deb"
    check own_configuration_stays "grep -q '^# mine' $root/etc/upres/live.toml"
    check removes "quietly apt-get remove -y -q upres"
    check removed_but_for_the_configuration "grep -q '^# mine' $root/etc/upres/live.toml && [ -e $root/var/lib/upres ] && [ ! -e $root/usr/bin/upres ] && [ ! -e $root/usr/share/doc/upres ]"
    check purges "quietly apt-get purge -y -q upres"
    rmdir "$root/var/lib/private"
    files "$root" >"$root.after"
    check nothing_is_left_behind "diff $root.before $root.after && [ -z \"\$(find $root/var/lib/dpkg/info -name 'upres.*')\" ]"
    return $bad
}

# Names, modes, owners, links and contents, but for the books of dpkg and apt, logs and caches.
files() {
    (
        cd "$1"
        find . -xdev \( -path ./proc -o -path ./dev -o -path ./sys -o -path ./run -o -path ./tmp -o -path ./var/log -o -path ./var/cache -o -path ./var/lib/apt \
            -o -path ./var/lib/dpkg \) -prune -o -printf '%y %m %U:%G %P %l\n'
        find etc var/lib usr/local -xdev -type f -not -path 'var/lib/apt/*' -not -path 'var/lib/dpkg/*' -exec sha256sum {} +
    ) | sort
}
# Width and height of a PNG.
size() { od -An -tu1 -j16 -N8 "$1" | awk '{ print $3 * 256 + $4, $7 * 256 + $8 }'; }

if [ "$1" = --inside ]; then
    shift && inside "$@"
    exit
fi

arch=$1 deb=$(realpath "$2") suite=${3:-bookworm}
here=$(realpath "$(dirname "$0")")
cd "$here/.."
for program in mmdebstrap arch-test unshare; do command -v $program >/dev/null || { echo "$program is missing: see the head of $0" >&2; exit 1; }; done
work=target/packages base=target/packages/$arch-$suite.tar
mkdir -p "$work"
runner=""
[ "$arch" = "$(dpkg --print-architecture)" ] || runner=$here/foreign.sh
if [ ! -e "$base" ]; then
    # In a namespace /sys cannot be mounted; nothing here needs it.
    make() { $runner mmdebstrap --quiet --mode=root --variant=minbase --architectures="$arch" "$suite" "$work/$arch-$suite.part.tar" "$@" 2>"$base.log"; }
    # Where the list of security updates does not fit its signature, as happens while mirrors are filled, the release as it came out will do.
    make || make "deb $(apt-get indextargets --format '$(REPO_URI)' | head -1) $suite main" || { cat "$base.log" >&2; exit 1; }
    mv "$work/$arch-$suite.part.tar" "$base"
    echo "a fresh $suite for $arch: $(($(stat -c %s "$base") / 1024 / 1024)) MiB, after $SECONDS s"
fi
root=$PWD/$work/$arch-$suite
rm -rf "$root" && mkdir -p "$root"
# Devices are this machine's own.
tar -x -C "$root" --exclude './dev/*' -f "$base"
cp "$deb" "$root/upres.deb"
if [ -n "${UPRES_NATIVE:-}" ]; then
    "$UPRES_NATIVE" sample --size 64x48 "$root/tmp/native-s.png"
    "$UPRES_NATIVE" upscale "$root/tmp/native-s.png" -o "$root/tmp/native.png" --model small-x4-int8 --quiet
fi
if $runner unshare --mount "$here/packages.sh" --inside "$arch" "$root"; then
    echo "PACKAGE-OK $arch $suite, $SECONDS s"
    rm -rf "$root" "$root".{before,after,live,log}
else
    echo "PACKAGE-FAILED $arch $suite: see $root" >&2 && exit 1
fi
