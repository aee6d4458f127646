"""CPU seconds and largest resident set of each report, beside `go tool pprof`, with the outputs compared.

    python3 measure.py "$(go tool -n pprof)" target/release/examples/pprof FOLDER [ours|all] > results/DATE.tsv

FOLDER holds p10.pb.gz, z10.pb.gz, p100.pb.gz and m1.pb.gz … m100.pb.gz (see README.md).
This program runs three times beside each run of Go's, the middle one counts; Go's runs three times where it takes less
than two seconds. With `ours` only this program runs; Go's minutes (and gigabytes) for the last rows are spent with `all`.
"""
import hashlib, os, subprocess, sys, tempfile

go, own, folder = sys.argv[1:4]
mode = "".join(sys.argv[4:])
p10, z10, p100 = (os.path.join(folder, name + ".pb.gz") for name in ("p10", "z10", "p100"))
merged = [os.path.join(folder, f"m{number}.pb.gz") for number in range(1, 101)]
CASES = [
    ("top p10", ["-top", p10]), ("top z10", ["-top", z10]), ("tree z10", ["-tree", z10]),
    ("peek p10", ["-peek=Method1", p10]), ("list p10", ["-list=Method1$", p10]), ("tags p10", ["-tags", p10]),
    ("diff_base p10 z10", ["-top", "-diff_base", p10, z10]), ("merge of 100", ["-proto", *merged]),
    ("top p100", ["-top", p100]), ("rewrite p100", ["-proto", p100]),
]
MINUTES = {"diff_base p10 z10", "top p100", "rewrite p100"}


def measure(program, arguments):
    """A fresh interpreter starts the program, so that its children's maximum is that of the program alone."""
    code = ("import os,resource,subprocess,sys\n"
            "subprocess.run(sys.argv[2:], stdout=open(sys.argv[1],'wb'), stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=True)\n"
            "u=resource.getrusage(resource.RUSAGE_CHILDREN)\nprint(u.ru_utime+u.ru_stime, u.ru_maxrss/1024)")
    with tempfile.NamedTemporaryFile() as out:
        command = [sys.executable, "-c", code, out.name, program, *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ, TZ="UTC"))
        seconds, megabytes = map(float, answer.stdout.split())
        return seconds, megabytes, hashlib.sha256(open(out.name, "rb").read()).hexdigest()


print("case\town s\town MB\tgo s\tgo MB\tCPU ratio\tRSS ratio\tsame bytes", flush=True)
for name, arguments in CASES:
    theirs = ["-symbolize=none", *arguments]
    answers, go_answers = [], []
    for round in range(3):
        answers.append(measure(own, arguments))
        if mode != "ours" and (mode == "all" or name not in MINUTES) and (round == 0 or go_answers[0][0] < 2):
            go_answers.append(measure(go, theirs))
    seconds, megabytes, digest = sorted(answers)[1]
    row = [name, f"{seconds:.2f}", f"{megabytes:.0f}"]
    if go_answers:
        go_seconds, go_megabytes, go_digest = sorted(go_answers)[len(go_answers) // 2]
        row += [f"{go_seconds:.2f}", f"{go_megabytes:.0f}", f"{go_seconds / seconds:.1f}", f"{go_megabytes / megabytes:.1f}"]
        row.append("files" if "-proto" in arguments else str(digest == go_digest).lower())
    print("\t".join(row), flush=True)
