#!/usr/bin/env python3
"""CPU seconds and memory of opening a heap snapshot: brimline beside DevTools' model and memlab, in one run.

    cargo build --release
    bench/heap/run.py --oracle FOLDER [--memlab FOLDER] [--sessions N ...] [--rounds N] > bench/heap/results/DATE.md

FOLDER of --oracle holds the built DevTools oracle (`oracle.mjs` and `node_modules`), that of --memlab an
`npm install memlab`. The snapshots are made by `service.cjs` with the `node` on the path and removed afterwards.
Every round runs all tools one after the other; the table shows the least of each.
"""
import argparse
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def measured(command, environment=None):
    """User plus system seconds, the process's own highest resident and anonymous bytes, its output."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            err.seek(0)
            raise SystemExit(f"{command} ended with {child.returncode}: {err.read()[-2000:].decode()}")
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, out.read().decode()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--oracle", type=pathlib.Path, required=True)
    options.add_argument("--memlab", type=pathlib.Path)
    options.add_argument("--sessions", type=int, nargs="+", default=[20_000, 60_000])
    options.add_argument("--rounds", type=int, default=3)
    options = options.parse_args()
    brimline = ROOT / "target/release/brimline"
    # DevTools' model needs a newer Node than the one on the path may be.
    node = options.oracle / "node_modules/node/bin/node"
    work = pathlib.Path(tempfile.mkdtemp(prefix="brimline-bench-heap-"))
    revision = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    print(f"# Opening heap snapshots\n\nbrimline {revision.stdout.strip()}, {platform.machine()}, "
          f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start, "
          f"least of {options.rounds} rounds.\n")
    print("| snapshot | tool | CPU s | CPU s / 100 MB | peak RSS MB | bytes per byte |")
    print("| --- | --- | --- | --- | --- | --- |")
    try:
        for sessions in options.sessions:
            file = work / f"{sessions}.heapsnapshot"
            subprocess.run(["node", "--max-old-space-size=8000", HERE / "service.cjs", file, str(sessions)], check=True)
            compare(file, options, brimline, node, work)
            file.unlink()
    finally:
        shutil.rmtree(work)


def compare(file, options, brimline, node, work):
    size = file.stat().st_size
    cache = {"XDG_CACHE_HOME": str(work / "cache")}
    tools = {
        "brimline heap top": ([brimline, "heap", "top", "--no-index", file], None),
        "brimline heap top, writing the index": ([brimline, "heap", "top", file], cache),
        "brimline heap top, second opening": ([brimline, "heap", "top", file], cache),
        **{f"brimline heap {question}, second opening": ([brimline, "heap", *question.split(), file], cache)
           for question in ["stats", "top --by path", "strings", "dominators"]},
        "brimline heap nodes, from the index": ([brimline, "heap", "nodes", "-o", "/dev/null", file], cache),
        "DevTools' model": ([node, "--max-old-space-size=16000", options.oracle / "oracle.mjs", file], None),
    }
    if options.memlab:
        script = options.memlab / "bench.cjs"
        shutil.copy(HERE / "memlab.cjs", script)
        tools["memlab"] = ([node, "--max-old-space-size=16000", script, file], None)
    best = {}
    nodes = None
    for _ in range(options.rounds):
        shutil.rmtree(work / "cache", ignore_errors=True)
        for name, (command, environment) in tools.items():
            if name.endswith("second opening"):
                # The first time each question is asked.
                measured([str(word) for word in command], environment)
            seconds, resident, output = measured([str(word) for word in command], environment)
            best[name] = min(best.get(name, (seconds, resident)), (seconds, resident))
            found = re.search(r'"nodeCount": (\d+)', output)
            nodes = int(found.group(1)) if found else nodes
    for name, (seconds, resident) in best.items():
        print(f"| {size / 1e6:.0f} MB, {nodes:,} nodes | {name} | {seconds:.2f} | {seconds / size * 1e8:.2f} "
              f"| {resident / 1e6:.0f} | {resident / size:.2f} |")
    diff = [brimline, "heap", "diff", "--by", "id", "--json", "--top", "1", file, file]
    both, _, _ = measured([str(word) for word in diff], cache)
    print(f"| | `heap diff` of the file with itself, both opened from the index | {both:.2f} | | | |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
