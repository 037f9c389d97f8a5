#!/bin/sh
# An hour of live work with trouble in it, and what it does to memory: sh benches/soak.sh [SECONDS] [PROGRAM]
# The camera is unplugged every two minutes, a page is watched, recordings fill their quota, a snapshot is taken a minute. Prints a line a minute
# (memory, threads, descriptors) and the program's own report at the end. Needs curl.
set -eu
seconds=${1:-3660} program=${2:-target/release/upres}
work=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/recordings" "$work/snapshots"
"$program" live --source pattern:size=320x240,rate=10,scene=walk,unplug=1200 --model camera-x2 --probe --http 127.0.0.1:8099 \
    --record "$work/recordings" --quota 60MB --segment 30 --snapshots "$work/snapshots" --seconds "$seconds" --json \
    >"$work/report" 2>"$work/log" &
pid=$!
(
    while sleep 3 && kill -USR1 "$pid" 2>/dev/null; do
        timeout 50 curl -s -o "$work/stream" http://127.0.0.1:8099/stream || true
        rm -f "$work/stream"
    done
) &
minute=0
while kill -0 "$pid" 2>/dev/null; do
    figures=$(awk '/^VmRSS|^Threads/ { printf "%s %s  ", $1, $2 }' "/proc/$pid/status" 2>/dev/null || true)
    echo "minute $minute  $figures descriptors $(ls "/proc/$pid/fd" 2>/dev/null | wc -l)  recordings $(du -sm "$work/recordings" | cut -f1) MB"
    minute=$((minute + 1))
    sleep 60
done
wait "$pid" || true
cat "$work/report"
sed 's/[0-9.]* s$/… s/' "$work/log" | sort | uniq -c | sort -rn | head -12
