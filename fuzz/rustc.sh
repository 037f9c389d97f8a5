#!/usr/bin/env bash
# Cargo calls this with the compiler and its arguments (RUSTC_WRAPPER). tract is not ours to fuzz, and far the largest of all: it
# is built without the probes of coverage, in a third of the time, and runs the faster for it. The address sanitizer stays.
arguments=()
case " $* " in
*" --crate-name tract_"*)
    for argument in "$@"; do
        case $argument in
        -Cpasses=sancov-module | -Cllvm-args=-sanitizer-coverage-*) ;;
        *) arguments+=("$argument") ;;
        esac
    done
    ;;
*) arguments=("$@") ;;
esac
exec "${arguments[@]}"
