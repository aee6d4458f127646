"""What people already have, beside the tools that it comes from: CPU seconds of both in the same rounds.

    python3.11 -m venv V && V/bin/pip install -r bench/python/requirements.txt memory_profiler==0.61.0
    V/bin/python bench/python/formats.py --brimline target/release/brimline --out bench/python/results/NAME.json

- `memray`: captures of two workloads with every Python object; `memray stats` against `brimline report`.
- `tracemalloc`: two snapshots of a million traces; `Snapshot.load` twice and `compare_to` against `brimline diff`.
- `profile`: a decorated function of 10^6 line events; memory_profiler's cost over the plain run against that of
  `brimline run`, in tracked bytes and in resident ones.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CAPTURES = {"json": ("json_rounds.py", "20"), "threads": ("thread_sessions.py", "30000")}
TRACES = 1_000_000

SNAPSHOTS = """
import sys, tracemalloc
functions = {}
exec(chr(10).join("def f%d(k): return [float(k)]" % n for n in range(2000)), functions)
tracemalloc.start(int(sys.argv[3]))
kept = [functions["f%d" % (k % 2000)](k) for k in range(int(sys.argv[2]) // 2)]
tracemalloc.take_snapshot().dump(sys.argv[1])
"""
COMPARE = """
import sys, tracemalloc
before, after = map(tracemalloc.Snapshot.load, sys.argv[1:])
assert after.compare_to(before, "lineno")
"""
PROFILED = """
import sys
if sys.argv[1] == "memory_profiler":
    from memory_profiler import profile
elif sys.argv[1] == "plain":
    def profile(function):
        return function

@profile
def loop(times):
    total = 0
    for number in range(times):
        total += number
    return total

loop(int(sys.argv[2]))
"""


def cpu(command, **options):
    """CPU and wall seconds of a command and its children."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit("%s ended with status %d" % (command, status))
    return {"cpu": usage.ru_utime + usage.ru_stime, "wall": time.perf_counter() - start, "rss_kib": usage.ru_maxrss}


def rounds(count, commands):
    """Each command's figures, in an order that rotates."""
    names = list(commands)
    found = {name: [] for name in names}
    for number in range(count):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(cpu(commands[name]))
    return found


def median(rows, key="cpu"):
    return statistics.median(row[key] for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brimline", default="target/release/brimline")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    brimline = str(Path(options.brimline).resolve())
    python = sys.executable
    results = {"python": platform.python_version(), "rounds": options.rounds, "brimline": {}, "figures": {}}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.environ["BRIMLINE_STORE"] = str(place / "store")
        for name, (workload, size) in CAPTURES.items():
            capture = str(place / (name + ".bin"))
            run = [python, "-m", "memray", "run", "-q", "--trace-python-allocators", "-o", capture]
            subprocess.run([*run, str(HERE / "workloads" / workload), size], check=True, stdout=subprocess.DEVNULL)
            figures = rounds(
                options.rounds,
                {"memray stats": [python, "-m", "memray", "stats", capture], "brimline": [brimline, "report", capture]},
            )
            ratio = median(figures["memray stats"]) / median(figures["brimline"])
            results["figures"]["memray " + name] = {"bytes": os.path.getsize(capture), **figures, "ratio": ratio}
            print("memray %s: %.2f s, brimline %.2f s, %.1f times" % (
                name, median(figures["memray stats"]), median(figures["brimline"]), ratio))
        for frames in (1, 10):
            files = [str(place / ("%d-%d.pickle" % (frames, number))) for number in (1, 2)]
            for number, file in enumerate(files):
                script = [python, "-c", SNAPSHOTS, file, str(TRACES + 10_000 * number), str(frames)]
                subprocess.run(script, check=True)
            figures = rounds(
                options.rounds,
                {
                    "tracemalloc": [python, "-c", COMPARE, *files],
                    "brimline": [brimline, "diff", *files, "--all", "--json"],
                },
            )
            results["figures"]["tracemalloc %d frames" % frames] = figures
            print("tracemalloc, %d frames: %.2f s, brimline %.2f s (wall %.2f s)" % (
                frames, median(figures["tracemalloc"]), median(figures["brimline"]), median(figures["brimline"], "wall")))
        script = place / "profiled.py"
        script.write_text(PROFILED)
        loop = str(options.events // 2)
        decorated = [python, str(script), "brimline", loop]
        figures = rounds(
            options.rounds,
            {
                "plain": [python, str(script), "plain", loop],
                "brimline": [brimline, "run", "-q", "--", *decorated],
                "brimline rss": [brimline, "run", "-q", "--rss", "--", *decorated],
            },
        )
        # Minutes a round: once is enough.
        figures["memory_profiler"] = [cpu([python, str(script), "memory_profiler", loop])]
        plain = median(figures["plain"])
        cost = {name: median(figures[name]) - plain for name in ("memory_profiler", "brimline", "brimline rss")}
        results["figures"]["profile"] = {**figures, "cost": cost}
        print("profile, %d line events: %s" % (options.events, {name: round(value, 2) for name, value in cost.items()}))
        for name in ("brimline", "brimline rss"):
            print("  memory_profiler costs %.0f times %s" % (cost["memory_profiler"] / cost[name], name))
    options.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
