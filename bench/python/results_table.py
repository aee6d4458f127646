"""A result file of run.py as a Markdown table: `python3 bench/python/results_table.py FILE`."""
import json
import sys

MIB = 1024


def cell(interval, scale=1.0, digits=2):
    values = [interval[key] / scale for key in ("median", "low", "high")]
    return "{:.{d}f} [{:.{d}f}, {:.{d}f}]".format(*values, d=digits)


def table(document):
    lines = [
        "| workload | tool | CPU s | × untracked | max RSS, MB | over untracked, MB | recording, MB | report, s | report RSS, MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for workload, tools in document["summary"].items():
        for tool, entry in tools.items():
            row = [workload, tool, cell(entry["cpu_seconds"]), "", cell(entry["max_rss_kib"], MIB, 0), "", "", "", ""]
            if "cpu_ratio" in entry:
                row[3] = "**" + cell(entry["cpu_ratio"]) + "**"
                row[5] = cell(entry["extra_rss_kib"], MIB, 0)
                row[6] = "{:.2f}".format(entry["output_bytes"]["median"] / 1e6)
            if "report_wall_seconds" in entry:
                row[7] = "{:.2f}".format(entry["report_wall_seconds"]["median"])
                row[8] = "{:.0f}".format(entry["report_max_rss_kib"]["median"] / MIB)
            lines.append("| " + " | ".join(row) + " |")
    for workload, tools in document["summary"].items():
        if "cpu_ratio_to_exact" in tools.get("brimline-native", {}):
            lines.append(f"\n{workload}: native frames cost × exact without them {cell(tools['brimline-native']['cpu_ratio_to_exact'])}.")
    for workload, result in document["workloads"].items():
        if "recording_bytes_running" in result:
            lines.append(f"\n{workload}: recording while running at most {result['recording_bytes_running'] / 1e6:.2f} MB.")
    for tool, start in document.get("start", {}).items():
        lines.append(f"\nStart-up added by {tool}: {cell(start['median'], 0.001, 1)} ms.")
    machine = document["machine"]
    load = ", ".join(f"{value:.1f}" for value in machine["load_at_start"])
    lines.append(f"\n{machine['cpu']}, {machine['cores']} cores, load at start {load}; Python {machine['python'].split()[0]}; {machine['date']}.")
    return "\n".join(lines)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(table(json.load(file)))
