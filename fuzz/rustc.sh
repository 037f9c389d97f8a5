#!/usr/bin/env bash
# Cargo calls this with the compiler and its arguments (RUSTC_WRAPPER). tract is not ours to fuzz, and far the largest of all: it
# is built without probes of coverage and without the address sanitizer, in a third of the time, and runs the faster for it.
arguments=()
case " $* " in
*" --crate-name tract_"*)
    for argument in "$@"; do
        case $argument in
        -Cpasses=sancov-module | -Cllvm-args=-sanitizer-coverage-* | -Zsanitizer=address) ;;
        *) arguments+=("$argument") ;;
        esac
    done
    ;;
# The kernels' unrolled loops touch memory thousands of times: checked by calls, they are compiled in a fraction of the time.
*" --crate-name upres "*) arguments=("$@" -Cllvm-args=-asan-instrumentation-with-call-threshold=200) ;;
*) arguments=("$@") ;;
esac
exec "${arguments[@]}"
