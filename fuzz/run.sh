#!/usr/bin/env bash
# bash fuzz/run.sh [SECONDS [TARGET…]]: builds the targets, makes their seeds, and runs each for so many seconds (60 unless
# told). Needs Rust and g++; works with the stable toolchain. A finding ends the run with an error; its input lies in
# fuzz/artifacts/TARGET. fuzz/corpus/TARGET keeps what was found to be new, for the next run.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
triple=$(rustc -vV | sed -n 's/^host: //p')

# What cargo-fuzz passes on: coverage for libFuzzer, and the address sanitizer, whose runtime lies in the toolchain. Only such
# settings need the bootstrap word.
export RUSTC_BOOTSTRAP=1 CARGO_INCREMENTAL=0 RUSTC_WRAPPER=$PWD/rustc.sh
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Zsanitizer=address"
# Leaks are not looked for: a short run of a program that ends is no place for them.
export ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=32:allocator_may_return_null=0

cargo build --release --locked --target "$triple"
built=target/$triple/release

mapfile -t all < <(sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | grep -vx -e upres-fuzz -e seeds)
targets=("${@:-${all[@]}}")

seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
UPRES_SEEDS=$seeds "$built/seeds"
du -sk "$seeds" | awk '{print "seeds: " $1 " KB"}'

# The longest input of each target, in bytes.
longest() {
    case $1 in
    model) echo 16384 ;;
    picture | frame) echo 4096 ;;
    request) echo 2048 ;;
    source | profile) echo 512 ;;
    *) echo 8192 ;;
    esac
}

failed=()
printf '%-10s %12s %9s %9s %7s  %s\n' target executions a-second coverage corpus findings
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target" "artifacts/$target"
    log=artifacts/$target.log
    rc=0
    "$built/$target" "corpus/$target" "$seeds/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
        -max_len="$(longest "$target")" -artifact_prefix="artifacts/$target/" -print_final_stats=1 >"$log" 2>&1 || rc=$?
    stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -1; }
    last=$(grep -a '^#[0-9]' "$log" | tail -1 || true)
    coverage=$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' <<<"$last")
    corpus=$(sed -n 's/.*corp: \([0-9]*\).*/\1/p' <<<"$last")
    findings=none
    if [ "$rc" != 0 ]; then
        failed+=("$target")
        findings=$(grep -aoE 'SUMMARY: .*' "$log" | tail -1 || true)
        [ -n "$findings" ] || findings="ended with $rc"
    fi
    printf '%-10s %12s %9s %9s %7s  %s\n' "$target" "$(stat number_of_executed_units)" "$(stat average_exec_per_sec)" \
        "${coverage:--}" "${corpus:--}" "$findings"
done
if [ ${#failed[@]} != 0 ]; then
    for target in "${failed[@]}"; do
        printf '\n== %s: the end of fuzz/artifacts/%s.log\n' "$target" "$target"
        tail -40 "artifacts/$target.log"
    done
    exit 1
fi
