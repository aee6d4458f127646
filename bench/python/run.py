"""Cost of tracking: the four workloads untracked, under brimline and under memray, in interleaved rounds.

    python3.11 -m venv V && V/bin/pip install -r bench/python/requirements.txt
    V/bin/python bench/python/run.py --brimline target/release/brimline --out bench/python/results/NAME.json

`--tools untracked brimline brimline-native memray-native` measures native frames: brimline's are exact mode with
`--native-frames`, memray's see malloc alone.

The interpreter that runs this file runs the workloads. Every round measures all tools on one workload, in an order that
rotates; a ratio is taken within a round, so slow drifts of the machine cancel. Raw values are kept in the result file.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
from datetime import datetime, timezone
from pathlib import Path

from measure import measure, median_interval
from results_table import table

HERE = Path(__file__).resolve().parent
WORKLOADS = {
    "json": "json_rounds.py",
    "fib": "fib_recursion.py",
    "numpy": "numpy_arrays.py",
    "threads": "thread_sessions.py",
}
TOOLS = ["untracked", "brimline", "memray"]
# By name: options of `brimline run`, and of `memray run`.
BRIMLINE_OPTIONS = {
    "brimline": [],
    "brimline-malloc": ["--mode", "malloc"],
    "brimline-sampled": ["--mode", "sampled"],
    "brimline-native": ["--native-frames"],
}
MEMRAY_OPTIONS = {"memray": ["--trace-python-allocators"], "memray-malloc": [], "memray-native": ["--native"]}
ALL_TOOLS = ["untracked", *BRIMLINE_OPTIONS, *MEMRAY_OPTIONS, "scalene"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brimline", default="target/release/brimline", help="the built command")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--starts", type=int, default=25, help="rounds of the empty script")
    parser.add_argument("--only", nargs="*", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--tools", nargs="*", default=TOOLS, choices=ALL_TOOLS)
    parser.add_argument("--out", type=Path, required=True, help="result file (JSON)")
    return parser.parse_args()


def folder_bytes(folder):
    return sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())


def disk_bytes(folder):
    total = 0
    for file in Path(folder).rglob("*"):
        try:
            total += file.stat().st_blocks * 512
        except OSError:
            continue
    return total


class Bench:
    """The tools' commands, and where each leaves its files."""

    def __init__(self, arguments, scratch):
        self.brimline = str(Path(arguments.brimline).resolve())
        self.scratch = Path(scratch)
        self.log = self.scratch / "log.txt"

    def command(self, tool, script):
        """Command that runs a script under a tool, and the folder or file that the tool fills."""
        python = sys.executable
        if tool == "untracked":
            return [python, script], None
        if tool in BRIMLINE_OPTIONS:
            store = Path(tempfile.mkdtemp(prefix="store-", dir=self.scratch))
            options = ["--store", str(store), *BRIMLINE_OPTIONS[tool]]
            return [self.brimline, "run", *options, "--", python, script], store
        output = self.scratch / f"{tool}.out"
        output.unlink(missing_ok=True)
        if tool == "scalene":
            output.touch()
            return [python, "-m", "scalene", "run", "--memory", "-o", str(output), script], output
        options = [*MEMRAY_OPTIONS[tool], "-q", "-f", "-o", str(output)]
        return [python, "-m", "memray", "run", *options, script], output

    def run(self, tool, script):
        command, output = self.command(tool, script)
        value = measure(command, self.log).as_dict()
        if output is not None:
            value["output_bytes"] = folder_bytes(output) if output.is_dir() else output.stat().st_size
        return value, output

    def report(self, tool, output):
        if tool in BRIMLINE_OPTIONS:
            command = [self.brimline, "report", "--store", str(output), "--json"]
        else:
            command = [sys.executable, "-m", "memray", "stats", str(output)]
        return measure(command, self.log).as_dict()

    def largest_while_running(self, script):
        """Most disk blocks that the store (and its files in shared memory) took at any moment of one run."""
        command, store = self.command("brimline", script)
        ended = threading.Event()
        largest = 0

        def watch():
            nonlocal largest
            while not ended.wait(0.02):
                largest = max(largest, disk_bytes(store) + shared_memory_bytes())

        watcher = threading.Thread(target=watch)
        before = shared_memory_bytes()
        watcher.start()
        try:
            measure(command, self.log)
        finally:
            ended.set()
            watcher.join()
        return largest - before


def shared_memory_bytes():
    return sum(disk_bytes(p) if p.is_dir() else p.stat().st_blocks * 512 for p in Path("/dev/shm").glob("brimline*"))


def measure_workload(bench, name, arguments):
    script = str(HERE / "workloads" / WORKLOADS[name])
    rounds, reports = [], {}
    for number in range(arguments.rounds):
        tools = arguments.tools[number % len(arguments.tools) :] + arguments.tools[: number % len(arguments.tools)]
        values = {}
        for tool in tools:
            values[tool], output = bench.run(tool, script)
            # memray's report can take minutes and gigabytes: once is enough.
            if output is not None and tool != "scalene" and number < (5 if tool in BRIMLINE_OPTIONS else 1):
                reports.setdefault(tool, []).append(bench.report(tool, output))
            if output is not None and output.is_dir():
                subprocess.run(["rm", "-rf", str(output)], check=True)
        rounds.append(values)
        print(name, number + 1, {t: round(v["cpu_seconds"], 2) for t, v in values.items()}, file=sys.stderr, flush=True)
    result = {"rounds": rounds, "reports": reports}
    if "brimline" in arguments.tools:
        result["recording_bytes_running"] = bench.largest_while_running(script)
    return result


def summarise(result):
    """Medians with intervals out of the raw rounds."""
    summary = {}
    for tool in result["rounds"][0]:
        mine = [r[tool] for r in result["rounds"]]
        entry = {
            "cpu_seconds": median_interval([v["cpu_seconds"] for v in mine]).as_dict(),
            "max_rss_kib": median_interval([v["max_rss_kib"] for v in mine]).as_dict(),
        }
        if tool != "untracked" and "untracked" in result["rounds"][0]:
            ratios = [r[tool]["cpu_seconds"] / r["untracked"]["cpu_seconds"] for r in result["rounds"]]
            extra = [r[tool]["max_rss_kib"] - r["untracked"]["max_rss_kib"] for r in result["rounds"]]
            entry["cpu_ratio"] = median_interval(ratios).as_dict()
            entry["extra_rss_kib"] = median_interval(extra).as_dict()
            entry["output_bytes"] = median_interval([v["output_bytes"] for v in mine]).as_dict()
        if tool == "brimline-native" and "brimline" in result["rounds"][0]:
            ratios = [r[tool]["cpu_seconds"] / r["brimline"]["cpu_seconds"] for r in result["rounds"]]
            entry["cpu_ratio_to_exact"] = median_interval(ratios).as_dict()
        if tool in result["reports"]:
            reports = result["reports"][tool]
            entry["report_wall_seconds"] = median_interval([v["wall_seconds"] for v in reports]).as_dict()
            entry["report_max_rss_kib"] = median_interval([v["max_rss_kib"] for v in reports]).as_dict()
        summary[tool] = entry
    return summary


def measure_start(bench, arguments):
    """Seconds that a tool adds to an empty script: wall clock, since that is what a user waits for."""
    script = str(HERE / "workloads" / "empty.py")
    added = {tool: [] for tool in arguments.tools if tool != "untracked"}
    for _ in range(arguments.starts):
        plain, _ = bench.run("untracked", script)
        for tool, values in added.items():
            value, output = bench.run(tool, script)
            values.append(value["wall_seconds"] - plain["wall_seconds"])
            if output.is_dir():
                subprocess.run(["rm", "-rf", str(output)], check=True)
    return {tool: {"added_seconds": values, "median": median_interval(values).as_dict()} for tool, values in added.items()}


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), None)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True).stdout.strip()
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg(),
        "python": sys.version,
        "kernel": platform.release(),
        "commit": commit,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def main():
    arguments = parse_arguments()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    document = {"schema": "brimline.bench/1", "machine": machine(), "workloads": {}, "summary": {}}
    with tempfile.TemporaryDirectory(prefix="brimline-bench-") as scratch:
        bench = Bench(arguments, scratch)
        for name in arguments.only:
            result = measure_workload(bench, name, arguments)
            document["workloads"][name] = result
            document["summary"][name] = summarise(result)
            arguments.out.write_text(json.dumps(document, indent=1))
        if arguments.starts:
            document["start"] = measure_start(bench, arguments)
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")
    print(table(document))


if __name__ == "__main__":
    main()
