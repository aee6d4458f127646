#!/usr/bin/env bash
# Cost of recording a Node program: bench/node/run.sh BRIMLINE [ROUNDS] [MEGABYTES]
#
# 1. CPU milliseconds per request of an HTTP server, alone and under `brimline run`, in turns; the least of ROUNDS each.
# 2. A heap snapshot by `v8.writeHeapSnapshot` to a file and by `brimline snapshot`: CPU seconds of the program while it is
#    taken, wall seconds, bytes stored, and the peak memory of the brimline that receives it.
set -euo pipefail
brimline=$(realpath "$1") rounds=${2:-5} megabytes=${3:-150}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export BRIMLINE_STORE=$work/store

for _ in $(seq "$rounds"); do
    node "$here/server.cjs" 6000 >>alone
    "$brimline" run --quiet -- node "$here/server.cjs" 6000 >>recorded
done
least() { sort -n "$1" | head -1; }
echo "CPU ms per request: alone $(least alone), recorded $(least recorded), $(echo "$(least alone) $(least recorded)" | awk '{printf "%+.1f %%", ($2 / $1 - 1) * 100}')"
echo "  alone    $(sort -n alone | tr '\n' ' ')"
echo "  recorded $(sort -n recorded | tr '\n' ' ')"

cpu() { awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) / hz }' "/proc/$1/stat"; }
for _ in 1 2 3; do
    node --max-old-space-size=8192 "$here/heap.cjs" "$megabytes" "$work/alone.heapsnapshot" >>written
done
echo "writeHeapSnapshot: CPU s, wall s (least CPU first): $(sort -n written | tr '\n' ';') $(stat -c %s alone.heapsnapshot) bytes"
rm alone.heapsnapshot
mkfifo input
"$brimline" run --quiet -- node --max-old-space-size=8192 "$here/heap.cjs" "$megabytes" <input >output &
runner=$!
exec 3>input
until pid=$(head -1 output) && [ -n "$pid" ]; do sleep 0.1; done
for number in 1 2 3; do
    before=$(cpu "$pid")
    start=$(date +%s.%N)
    /usr/bin/env python3 - "$brimline" "$number" <<'PY'
import resource, subprocess, sys
subprocess.run([sys.argv[1], "snapshot", "--force", "--name", "s" + sys.argv[2]], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"brimline snapshot: its own CPU {used.ru_utime + used.ru_stime:.2f} s, peak {used.ru_maxrss / 1024:.0f} MiB;", end=" ")
PY
    echo "program: CPU $(echo "$before $(cpu "$pid")" | awk '{printf "%.2f", $2 - $1}') s; wall $(echo "$start $(date +%s.%N)" | awk '{printf "%.2f", $2 - $1}') s; $(stat -c %s store/runs/*/snapshots/s$number/*.zst) bytes stored"
done
exec 3>&-
wait "$runner"
