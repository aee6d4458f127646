#!/bin/sh
# Record every program: leaks with two to four seeds, the others with four to six (the A/A runs), of different lengths.
#
#     PYTHON=… NODE_PATH=… GOREC=… ./record.sh OUT_FOLDER [tune|first_look|held_out|second_look|third_look|fourth_look|fifth_look [python|node|go]]
#
# Each run is a fresh process of a few seconds that talks to itself over loopback at most. Existing files are kept.
set -u
here=$(dirname "$0")
out=$1
only=${2:-}
only_language=${3:-}
record() { # language program split truth command…
    language=$1 program=$2 split=$3 truth=$4
    shift 4
    [ -z "$only" ] || [ "$only" = "$split" ] || return 0
    [ -z "$only_language" ] || [ "$only_language" = "$language" ] || return 0
    case $split-$truth in
    tune-linear_leak | tune-stepwise_growth) seeds="1:240 2:120" ;;
    tune-*) seeds="1:240 2:120 3:200 4:160" ;;
    second_look-linear_leak | second_look-stepwise_growth) seeds="2:120 3:180 4:150" ;;
    fourth_look-insufficient_data) seeds="1:10 2:8 3:11 4:9 5:6" ;;
    fourth_look-gc_sawtooth) seeds="1:300 2:240" ;;
    fourth_look-fragmentation_or_native) seeds="1:80 2:60 3:100" ;;
    fourth_look-linear_leak | fourth_look-stepwise_growth) seeds="1:90 2:70 3:110" ;;
    fourth_look-*) seeds="1:90 2:70 3:100 4:80 5:60" ;;
    fifth_look-linear_leak | fifth_look-stepwise_growth) seeds="1:80 2:60 3:100" ;;
    fifth_look-*) seeds="1:80 2:60 3:100 4:70 5:90" ;;
    third_look-linear_leak) seeds="1:150 2:100 3:120 4:80" ;;
    third_look-*) seeds="1:120 2:100 3:80 4:140 5:90 6:160 7:110 8:70" ;;
    second_look-*) seeds="1:240 2:120 4:160 5:100" ;;
    *-linear_leak | *-stepwise_growth) seeds="1:240 2:120 3:180 4:150" ;;
    *) seeds="1:240 2:120 3:200 4:160 5:100 6:300" ;;
    esac
    # Leaks large enough for resident memory to show them: many times the work in an iteration.
    case $split-$truth in
    third_look-*) ;;
    fifth_look-linear_leak) seeds="$seeds 11:50:40" ;;
    fourth_look-linear_leak) seeds="$seeds 11:60:20" ;;
    second_look-linear_leak) seeds="$seeds 11:120:30 12:100:40" ;;
    *-linear_leak) seeds="$seeds 11:150:20 12:100:20" ;;
    esac
    for run in $seeds; do
        seed=${run%%:*} rest=${run#*:}
        file=$out/$language-$program-$seed.csv
        batch=1
        case $rest in *:*) batch=${rest#*:} ;; esac
        [ -s "$file" ] || { timeout 180 nice "$@" "$program" "$seed" "${rest%:*}" "$batch" >"$file.part" 2>"$file.err" && mv "$file.part" "$file"; } || {
            echo "failed: $file" >&2
            tail -2 "$file.err" >&2
        }
    done
}
mkdir -p "$out"
"$GOREC" --list | while read -r name split truth; do record go "$name" "$split" "$truth" "$GOREC"; done
node "$here/record.js" --list | while read -r name split truth; do
    record node "$name" "$split" "$truth" node --expose-gc "$here/record.js"
done
"$PYTHON" "$here/record.py" --list | while read -r name split truth; do record python "$name" "$split" "$truth" "$PYTHON" "$here/record.py"; done
rm -f "$out"/*.err
