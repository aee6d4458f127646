#!/usr/bin/env python3
"""CPU of the built-in load and of k6 at the same rate on the same server, in turns.

    bench/workload/run.py [--seconds 15] [--rounds 3]      needs go, k6 (BRIMLINE_K6 or PATH) and target/release/brimline

Both make GET / on a Go server that answers two bytes, over ten keep-alive connections (k6: ten users). CPU is user and
system time of the process by wait4: for brimline all of it (start, sampling, summary), with `sleep` as the program.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRIPT = """import http from 'k6/http';
export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: %d, timeUnit: '1s', duration: '%ds',
  preAllocatedVUs: 10, maxVUs: 50 } }, summaryTrendStats: ['med', 'p(99)'] };
export default function () { http.get(__ENV.BASE_URL + '/'); }
export function handleSummary(data) { return { [__ENV.SUMMARY]: JSON.stringify(data.metrics) }; }
"""


def timed(command, **options):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options)
    stderr = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, stderr.decode()


def brimline(program, url, rate, seconds, folder):
    command = [program, "run", "--json", "--store", f"{folder}/store", "--workload", f"http:{url[5:]}/", "--rate", str(rate),
               "--connections", "10", "--duration", f"{seconds}s", "--rounds", "1", "--warm-up", "0", "--settle", "0",
               "--", "sleep", "1000"]
    cpu, rss, said = timed(command, stderr=subprocess.PIPE, cwd=folder)
    line = next(line for line in said.splitlines() if '"workload"' in line)
    load = json.loads(line)["workload"]["outcome"]["load"]
    return {"cpu": cpu, "rss": rss, "offered": load["offered"], "requests": load["requests"], "errors": load["errors"],
            "p50_ms": load["latency_ms"]["p50"], "p99_ms": load["latency_ms"]["p99"]}


def k6(program, url, rate, seconds, folder):
    script, summary = f"{folder}/load.js", f"{folder}/summary.json"
    pathlib.Path(script).write_text(SCRIPT % (rate, seconds))
    environment = {**os.environ, "BASE_URL": url, "SUMMARY": summary, "K6_NO_USAGE_REPORT": "true"}
    cpu, rss, _ = timed([program, "run", "--quiet", "--no-usage-report", "--address", "", script], env=environment,
                        stderr=subprocess.DEVNULL, cwd=folder)
    metrics = json.loads(pathlib.Path(summary).read_text())
    done = metrics["http_reqs"]["values"]["count"]
    dropped = metrics.get("dropped_iterations", {"values": {"count": 0}})["values"]["count"]
    duration = metrics["http_req_duration"]["values"]
    return {"cpu": cpu, "rss": rss, "offered": done + dropped, "requests": done,
            "errors": metrics["http_req_failed"]["values"]["passes"], "p50_ms": duration["med"], "p99_ms": duration["p(99)"]}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=15)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    tools = {"brimline": (brimline, str(ROOT / "target/release/brimline")),
             "k6": (k6, os.environ.get("BRIMLINE_K6") or shutil.which("k6"))}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["go", "build", "-o", f"{folder}/server", str(HERE / "server.go")], check=True)
        server = subprocess.Popen([f"{folder}/server"], stdout=subprocess.PIPE, text=True)
        try:
            url = f"http://{server.stdout.readline().strip()}"
            for rate in (200, 2000):
                for number in range(chosen.rounds):
                    for name, (run, program) in tools.items():
                        row = {"tool": name, "rate": rate, "round": number, "load_average": os.getloadavg()[0],
                               **run(program, url, rate, chosen.seconds, folder)}
                        rows.append(row)
                        print(json.dumps(row), flush=True)
        finally:
            server.kill()
            server.wait()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    result = {"commit": commit, "date": time.strftime("%Y-%m-%d"), "seconds": chosen.seconds, "rows": rows}
    (HERE / "results/load.json").write_text(json.dumps(result, indent=1) + "\n")
    for rate in (200, 2000):
        of = {name: [row for row in rows if row["tool"] == name and row["rate"] == rate] for name in tools}
        cpu = {name: statistics.median(row["cpu"] for row in of[name]) for name in tools}
        share = {name: min(row["requests"] / (rate * chosen.seconds) for row in of[name]) for name in tools}
        print(f"{rate}/s: CPU brimline {cpu['brimline']:.2f} s, k6 {cpu['k6']:.2f} s (1/{cpu['k6'] / cpu['brimline']:.1f}); "
              f"achieved at least {share['brimline']:.2%}, k6 {share['k6']:.2%}")


main()
