"""Record one trace of one small Python program whose growth is known by construction.

    python record.py PROGRAM SEED ITERATIONS [BATCH] > trace.csv        python record.py --list

Columns: iteration, seconds, heap_after_gc (tracemalloc's current after two collections), heap (the same before them),
rss (VmRSS). One iteration is a batch of requests or calls of random size;
BATCH (1) makes it so many times as large, for leaks that resident memory shows. The rows are kept in an array that has its
full length before the first iteration, so the recorder itself does not grow. `tune.py`, `first_look.py`, `held_out.py`,
`second_look.py`, `third_look.py`, `fourth_look.py` and `fifth_look.py` hold the programs with their truth. Programs outside `tune.py` that are level
once started run 30 iterations before the first row. Programs whose garbage is left to the collector have heap_after_gc 0.
"""

import gc
import os
import sys
import time
import tracemalloc
from array import array

import fifth_look
import first_look
import fourth_look
import held_out
import second_look
import third_look
import tune
from work import R

SPLITS = {"tune": tune.PROGRAMS, "first_look": first_look.PROGRAMS, "held_out": held_out.PROGRAMS, "second_look": second_look.PROGRAMS,
          "third_look": third_look.PROGRAMS, "fourth_look": fourth_look.PROGRAMS,
          "fifth_look": fifth_look.PROGRAMS}
STARTED = {"steady", "spikes", "fluctuating"}
LEFT_TO_THE_COLLECTOR = "gc_sawtooth"
WARM_UP = 30


def resident():
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * 4096


def main():
    if sys.argv[1] == "--list":
        for split, programs in SPLITS.items():
            for program, truth in programs.items():
                print(program.__name__, split, truth)
        return
    name, seed, iterations = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    batch = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    R.seed(seed)
    tracemalloc.start()
    split, program, truth = next((split, program, truth) for split, programs in SPLITS.items()
                                 for program, truth in programs.items() if program.__name__ == name)
    columns = [array("d", bytes(8 * iterations)) for _ in range(4)]
    run = program()
    if split != "tune" and truth in STARTED:
        for i in range(-WARM_UP, 0):
            run(i)
    begun = time.monotonic()
    for i in range(iterations):
        for step in range(batch):
            run(i * batch + step)
        columns[1][i] = tracemalloc.get_traced_memory()[0]
        if truth != LEFT_TO_THE_COLLECTOR:
            gc.collect()
            gc.collect()
            columns[0][i] = tracemalloc.get_traced_memory()[0]
        columns[2][i] = resident()
        columns[3][i] = time.monotonic() - begun
    print(f"# program=python/{name} split={split} truth={truth} seed={seed} batch={batch}")
    print("iteration,seconds,heap_after_gc,heap,rss")
    for i in range(iterations):
        print(f"{i},{columns[3][i]:.3f},{columns[0][i]:.0f},{columns[1][i]:.0f},{columns[2][i]:.0f}")


main()
sys.stdout.flush()
os._exit(0)  # servers keep threads of their own
