#!/usr/bin/env bash
# bash tests/asan.sh: the tests of the kernels and the engine under the address sanitizer. Works with the stable toolchain, which
# brings the runtime. The library is built alone, without tract and without the programs.
set -euo pipefail
cd "$(dirname "$0")/.."
triple=$(rustc -vV | sed -n 's/^host: //p')
library=$(rustc --print sysroot)/lib/rustlib/$triple/lib
if ! ls "$library"/*rt.asan.a >/dev/null 2>&1; then
    echo "the toolchain brings no address sanitizer for $triple" >&2
    [ "${UPRES_SKIP:-}" != never ]
    exit
fi
# With a target named, build scripts and macros are built without the sanitizer.
# Checked by calls where a function touches memory often, as the kernels do: else their compilation takes minutes.
export RUSTC_BOOTSTRAP=1 CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=target-asan
export RUSTFLAGS="-Zsanitizer=address -Cllvm-args=-asan-instrumentation-with-call-threshold=200"
export ASAN_OPTIONS=detect_leaks=0
tests() { # ARGUMENTS OF THE TESTS…
    cargo test --release --target "$triple" --no-default-features --lib --config 'profile.release.opt-level=1' --config 'profile.release.lto="off"' \
        --config 'profile.release.strip=false' -- "$@"
}

# It must notice what it is there for: a test that reads one float behind its memory.
if tests --ignored --exact kernel::aligned::tests::reads_behind_its_end >target-asan-proof.log 2>&1; then
    echo "the sanitizer did not notice a read behind the end" >&2
    exit 1
fi
grep -q 'AddressSanitizer: heap-buffer-overflow' target-asan-proof.log || { cat target-asan-proof.log >&2; exit 1; }

timeout "${1:-900}" bash -c "$(declare -f tests); triple=$triple tests kernel:: engine::"
