#!/usr/bin/env bash
# The device program on ARM, by emulation: bash tests/arm.sh [STAGE...]; stages: build suite bytes armv7 (all of them unless named).
#   build   the program for aarch64, its size, what it needs of the system
#   suite   the device's tests on a cortex-a72 (Raspberry Pi 4: no dot products) and a cortex-a76 (Raspberry Pi 5)
#   bytes   int8 generators give the same bytes on this machine, an A72 and an A76; floats the same to a code
#   armv7   the 32-bit program and its unit tests
# Needs what 'bash board/cross.sh setup' brings, and target/release/upres of this machine. The last line is ARM-OK where all went well.
set -euo pipefail
cd "$(dirname "$0")/.."
a64=aarch64-unknown-linux-gnu a32=armv7-unknown-linux-gnueabihf
# The oldest glibc that the programs may ask for: Ubuntu 18.04's (JetPack 4); Raspberry Pi OS bullseye and JetPack 5 have 2.31.
floor=2.27
stages=${*:-build suite bytes armv7}
# To name the functions behind a panic that a test provokes takes an emulator half a minute.
export RUST_BACKTRACE=0
step() { printf -- '-- %s (%s s so far)\n' "$*" "$SECONDS"; }
cross() { bash board/cross.sh cargo "$@"; }

# What a program asks of the system it starts on: glibc's version, and no library that is not everywhere.
asks() {
    local program=$1 glibc other
    glibc=$(readelf -V "$program" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
    echo "$program: $(($(stat -c %s "$program") / 1024)) KiB, $glibc or later, $(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | tr '\n' ' ')"
    [ "$(printf '%s\n' "${glibc#GLIBC_}" "$floor" | sort -V | tail -1)" = "$floor" ] || { echo "that is later than $floor" >&2; return 1; }
    other=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -Ev '^(ld-linux|libc|libm|libdl|libpthread|librt|libgcc_s)[-.]' || true)
    [ -z "$other" ] || { echo "it needs $other" >&2; return 1; }
}

build() {
    bash board/cross.sh setup $a64
    bash board/cross.sh build $a64
    asks target/cross/$a64/release/upres
}

tests=(--lib --bins --test doctor --test verify --test engine --test models --test upscale_batch --test y4m --test tune --test sample
    --test completions --test compare --test live)
# What takes minutes by emulation and asks nothing of the processor stays with this machine's run: networks of others, which tract runs; methods
# without a network; cards of 320x240 drawn again and again; files bent in every way; wrong words, each of which starts
# the program. And the emulator does not tell a program that the program it wants to start is not
# there (posix_spawn, by a vfork that is a fork): that module stays as well.
left=(device::source::spawn:: other_peoples_generators foreign_models instance_normalisation receptive_fields_and_weights self_exemplar::
    every_scene_carries weight_gradient_is shrinking_by_four_is an_unplugged_camera_comes_back each_file_may_be_huge
    frames_come_at_their_rate_and_then_the_plug what_cannot_be_is_refused_with configurations_that_cannot_be_followed)
skips() { printf -- '--skip %s ' "${left[@]}"; }

suite() {
    local cpu pid pids=() failed=0
    UPRES_CPU=cortex-a72 cross $a64 test --release --no-run "${tests[@]}"
    # Side by side, since some tests wait and the last ones run alone.
    for cpu in cortex-a72 cortex-a76; do
        UPRES_CPU=$cpu cross $a64 test --release --no-fail-fast "${tests[@]}" -- $(skips) >"target/arm-$cpu.log" 2>&1 &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
    for cpu in cortex-a72 cortex-a76; do
        step "the device's tests on a $cpu"
        grep -E '^test result|FAILED|panicked|^error' "target/arm-$cpu.log" || failed=1
    done
    [ $failed = 0 ] || { echo "see target/arm-cortex-*.log" >&2; return 1; }
}

# The same pictures through every compiled-in generator, on three machines.
bytes() {
    local folder=target/arm-bytes model cpu models
    mapfile -t models < <(target/release/upres models --json | grep -o '"name": *"[^"]*"' | cut -d'"' -f4)
    [ ${#models[@]} -ge 15 ] || { echo "only ${#models[@]} models are compiled in" >&2; return 1; }
    rm -rf $folder && mkdir -p $folder
    emulated() { qemu-aarch64-static -cpu "$1" -L /usr/aarch64-linux-gnu target/cross/$a64/release/upres "${@:2}"; }
    target/release/upres sample --size 96x64 $folder/in.png
    for model in "${models[@]}"; do
        target/release/upres upscale -q -m "$model" $folder/in.png -o "$folder/$model-x86.png"
        for cpu in cortex-a72 cortex-a76; do
            emulated $cpu upscale -q -m "$model" $folder/in.png -o "$folder/$model-$cpu.png"
            case $model in
            *-int8) cmp "$folder/$model-x86.png" "$folder/$model-$cpu.png" ;;
            # Sums in another order: a sample may round the other way.
            *) target/release/upres compare "$folder/$model-x86.png" "$folder/$model-$cpu.png" --json | grep -E '"largest_difference":(0|1)\.0' >/dev/null ;;
            esac
        done
        sha256sum "$folder/$model"-*.png | awk '{ print substr($1, 1, 16), $2 }'
    done
}

armv7() {
    # At a lower level of optimisation: this is about whether it builds and is right; a release takes board/release.sh. Without what would then
    # take minutes and says nothing of 32 bits.
    left+=(what_comes_out_is_the_network_s_answer a_pixel_does_not_depend_on_the_size any_band_of_rows the_same_bytes_for_every_layout)
    export CARGO_PROFILE_RELEASE_OPT_LEVEL=1
    bash board/cross.sh setup $a32
    bash board/cross.sh build $a32
    asks target/cross/$a32/release/upres
    step "unit tests on a 32-bit cortex-a15"
    UPRES_CPU=cortex-a15 cross $a32 test --release --lib --bins -- $(skips)
}

for stage in $stages; do
    step "$stage"
    "$stage"
done
echo ARM-OK
