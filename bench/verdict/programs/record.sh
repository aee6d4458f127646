#!/bin/sh
# Record every program of the three tables: leaks with two seeds, the others with four (the A/A runs), of different lengths.
#
#     PYTHON=… NODE_PATH=… GOREC=… ./record.sh OUT_FOLDER
#
# Each run is a fresh process of a few seconds that talks to itself over loopback at most.
set -u
here=$(dirname "$0")
out=$1
record() { # language program split truth command…
    language=$1 program=$2 truth=$4
    shift 4
    seeds="1:240 2:120"
    case $truth in *_leak | stepwise_growth) ;; *) seeds="$seeds 3:200 4:160" ;; esac
    for pair in $seeds; do
        file=$out/$language-$program-${pair%:*}.csv
        [ -s "$file" ] || { timeout 120 nice -n 15 "$@" "$program" "${pair%:*}" "${pair#*:}" >"$file.part" 2>"$out/err" && mv "$file.part" "$file"; } || {
            echo "failed: $file" >&2
            tail -2 "$out/err" >&2
        }
    done
}
mkdir -p "$out"
"$GOREC" --list | while read -r name split truth; do record go "$name" "$split" "$truth" "$GOREC"; done
node "$here/record.js" --list | while read -r name split truth; do
    record node "$name" "$split" "$truth" node --expose-gc "$here/record.js"
done
"$PYTHON" "$here/record.py" --list | while read -r name split truth; do record python "$name" "$split" "$truth" "$PYTHON" "$here/record.py"; done
rm -f "$out/err"
