#!/usr/bin/env python3
"""What recording costs an HTTP server at a fixed rate: CPU seconds of the server with and without brimline, in pairs.

    bench/go/run.py BRIMLINE [--rounds 4] [--seconds 40] [--rate 1000]

The server is programs/go/growing_map/bounded (gin), its load is bench/go/load, both built here. Each round runs the server
once bare and once under `brimline run`, in turn first; a warm-up comes before each window and is not counted. The
window of the recorded server holds the captures by time of `brimline run`'s defaults. Prints one JSON line a window and a summary.

Two processors shared with others move a window by more than the captures cost; so the cost of one capture is measured by
itself too, on the idle server: CPU seconds for many `brimline snapshot`s, which fetch all that a capture by time may fetch,
after each round, since a busy machine has everything take more of them.
What recording costs is the captures' share and that of the process brimline together.
"""

import argparse
import json
import pathlib
import re
import signal
import statistics
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]


def cpu(pid):
    """Seconds of all threads that live, to the nanosecond: a clock of ticks is too coarse for what is small here."""
    return sum(int(file.read_text().split()[0]) for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def build(folder, package, name):
    target = pathlib.Path(tempfile.gettempdir()) / name
    subprocess.run(["go", "build", "-buildvcs=false", "-o", target, package], cwd=folder, check=True)
    return str(target)


def window(server, load, brimline, seconds, rate):
    """CPU seconds of the server and of brimline in one window, and what the load saw."""
    store = tempfile.TemporaryDirectory()
    command = [server] if brimline is None else [brimline, "run", "--quiet", "--store", store.name, "--", server]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = re.search(r"listening on (\S+)", process.stdout.readline()).group(1)
        pid = process.pid
        if brimline is not None:
            pid = int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        url = f"http://{address}/session/%d"
        run = lambda length: json.loads(
            subprocess.run([load, "-url", url, "-rate", str(rate), "-duration", f"{length}s"], capture_output=True, check=True, text=True).stdout
        )
        run(5)
        before = cpu(pid), cpu(process.pid) if brimline else 0.0
        answer = run(seconds)
        after = cpu(pid), cpu(process.pid) if brimline else 0.0
        captures = len(list(pathlib.Path(store.name).glob("runs/*/captures/*")))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        store.cleanup()
    return {
        "recorded": brimline is not None, "server_cpu": after[0] - before[0], "brimline_cpu": after[1] - before[1],
        "captures": captures, **answer,
    }


def one_capture(server, brimline, count):
    """CPU seconds of the server for one capture of everything, and for one of the heap alone."""
    with tempfile.TemporaryDirectory() as store:
        process = subprocess.Popen([brimline, "run", "--quiet", "--store", store, "--", server], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            address = re.search(r"listening on (\S+)", process.stdout.readline()).group(1)
            for number in range(100):
                urllib.request.urlopen(f"http://{address}/session/{number}").read()
            pid = int(pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
            while not list(pathlib.Path(store).glob("runs/*/captures/*/heap.pb.gz")):
                time.sleep(0.1)
            before = cpu(pid)
            for _ in range(count):
                subprocess.run([brimline, "snapshot", "--store", store], check=True, stdout=subprocess.DEVNULL)
            whole = (cpu(pid) - before) / count
            before = cpu(pid)
            for _ in range(count):
                # As crates/capture/src/go/take.rs asks.
                for query in ["heap?gc=1&debug=1", "heap", ""]:
                    urllib.request.urlopen(f"http://{address}/debug/pprof/{query}").read()
            return whole, (cpu(pid) - before) / count
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("brimline")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--rate", type=int, default=1000)
    arguments = parser.parse_args()
    server = build(ROOT / "programs/go", "./growing_map/bounded", "brimline-bench-server")
    load = build(ROOT / "bench/go", "./load", "brimline-bench-load")
    shares, own, bare, costs = [], [], [], []
    for number in range(arguments.rounds):
        pair = {}
        for recorded in [bool(number % 2), not number % 2]:
            brimline = arguments.brimline if recorded else None
            row = window(server, load, brimline, arguments.seconds, arguments.rate)
            print(json.dumps({"round": number, **row}), flush=True)
            pair[recorded] = row
        shares.append(pair[True]["server_cpu"] / pair[False]["server_cpu"] - 1)
        bare.append(pair[False]["server_cpu"] / arguments.seconds)
        own.append(pair[True]["brimline_cpu"] / arguments.seconds)
        costs.append(one_capture(server, arguments.brimline, 80))
    whole, heap = (statistics.median(cost) for cost in zip(*costs))
    # Two captures of everything and four of the heap in a minute.
    captures = (2 * whole + 4 * heap) / 60
    server_load, brimline_load = statistics.median(bare), statistics.median(own)
    print(json.dumps({
        "server_cpu_of_one_capture": round(whole, 5), "of_the_heap_alone": round(heap, 5),
        "processors_of_server": round(server_load, 5), "processors_of_captures": round(captures, 5),
        "processors_of_brimline": round(brimline_load, 5),
        "captures_of_server": round(captures / server_load, 4), "brimline_of_server": round(brimline_load / server_load, 4),
        "both_of_server": round((captures + brimline_load) / server_load, 4),
        "server_overhead_median": round(statistics.median(shares), 4), "server_overhead": [round(one, 4) for one in shares],
    }))


if __name__ == "__main__":
    main()
