"""What `go tool pprof` answers to the command lines of a transcript; its output replaces the answers there.

    cd crates/pprof/tests/transcript && python3 ../../../../bench/pprof/transcript.py "$(go tool -n pprof)" < answers.txt > new && mv new answers.txt

A line that starts with `$ ` is a command line; what follows up to the next one is the answer.
"""
import os, subprocess, sys

for line in sys.stdin.read().split("\n"):
    if line.startswith("$ "):
        command = [sys.argv[1], "-symbolize=none", *line[2:].split()]
        answer = subprocess.run(command, capture_output=True, check=True, env=dict(os.environ, TZ="UTC"), stdin=subprocess.DEVNULL)
        print(line)
        sys.stdout.write(answer.stdout.decode())
