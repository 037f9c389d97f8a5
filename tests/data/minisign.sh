#!/usr/bin/env bash
# Signs int8.onnx with the ordinary minisign program (Debian's package), for tests/verify.rs and src/trust/tests.rs. The secret
# keys have no password and lie here on purpose: they sign nothing but this. Keys that are there are used again.
set -euo pipefail
cd "$(dirname "$0")"
for who in ours theirs; do
    [ -f "minisign-$who.key" ] || minisign -G -W -f -p "minisign-$who.pub" -s "minisign-$who.key" >/dev/null
done
sign() { # NAME KEY FLAGS…
    minisign -S -s "minisign-$2.key" -m int8.onnx -x "minisign-$1.minisig" "${@:3}" >/dev/null
}
sign good ours -t 'a comment that is signed'
sign legacy ours -l -t 'made the old way'
sign theirs theirs -t 'by someone else'
minisign -V -q -p minisign-ours.pub -m int8.onnx -x minisign-good.minisig
minisign -V -q -p minisign-ours.pub -m int8.onnx -x minisign-legacy.minisig
