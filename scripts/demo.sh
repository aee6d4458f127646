#!/usr/bin/env bash
# Builds brimline, records an order service that leaks, shows where its memory is, and what grew against the fixed one.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/find-pythons.sh
. scripts/find-pythons.sh
find_pythons
python=${PYTHONS[0]:-}
[ -n "$python" ] || { echo "demo.sh: needs a CPython from 3.8 to 3.13 (python3 on PATH)" >&2; exit 2; }

cargo build --quiet --release --package brimline
brimline=${CARGO_TARGET_DIR:-target}/release/brimline
store=$(mktemp -d)
trap 'rm -rf "$store"' EXIT

show() {
    printf '\n$ brimline %s\n' "$*"
    "$brimline" "$@"
}

export BRIMLINE_STORE=$store
program=programs/python/orders_service
show run --name bounded -- "$python" "$program/bounded/app.py"
show run --name leaky -- "$python" "$program/leaky/app.py"
show report leaky --top 8
show lines quote --run leaky
show diff bounded leaky --by function --top 5
