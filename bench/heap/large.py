#!/usr/bin/env python3
"""Opens a snapshot larger than any other tool opens by default: 29.5 million nodes, about 2.4 GB.

    cargo build --release && cargo build --release -p brimline-analysis --example heap_resize
    bench/heap/large.py [--nodes N]

A snapshot of `service.cjs` is put below one root as often as the number of nodes asks for. Ends with 1 beyond 15 CPU
seconds or 1.3 bytes of memory per byte; needs 8 GB of disk in TMPDIR (file and index), which it gives back.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SECONDS = 15.0
BYTES_PER_BYTE = 1.3


def measured(command, cache):
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "XDG_CACHE_HOME": str(cache)})
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command} ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--nodes", type=int, default=29_500_000)
    options = options.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="brimline-large-heap-"))
    try:
        brimline = ROOT / "target/release/brimline"
        small, large = work / "small.heapsnapshot", work / "large.heapsnapshot"
        subprocess.run(["node", ROOT / "bench/heap/service.cjs", small, "40000"], check=True)
        stats = json.loads(measured([brimline, "heap", "stats", "--json", "--no-index", small], work)[2])
        times = max(1, round(options.nodes / stats["nodes"]))
        resize = ROOT / "target/release/examples/heap_resize"
        subprocess.run([resize, "repeat", str(times), small, large], check=True)
        size = large.stat().st_size
        seconds, resident, output = measured([brimline, "heap", "top", "--json", "--no-index", large], work)
        totals = json.loads(output)["totals"]
        print(f"{size / 1e6:.0f} MB, {totals['nodes']:,} nodes, {totals['edges']:,} edges: {seconds:.1f} CPU s "
              f"({seconds / size * 1e8:.2f} per 100 MB), {resident / 1e6:.0f} MB ({resident / size:.2f} per byte)")
        assert totals["nodes"] == (stats["nodes"] - 1) * times + 1, "every node is there"
        measured([brimline, "heap", "top", large], work)
        again, _, _ = measured([brimline, "heap", "top", large], work)
        print(f"first table from the index: {again * 1000:.0f} ms of CPU")
        if seconds > SECONDS or resident > size * BYTES_PER_BYTE or again > 0.1:
            raise SystemExit(f"expected at most {SECONDS} CPU s, {BYTES_PER_BYTE} bytes per byte and 100 ms")
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
