"""Allocations of every kind that memray tells apart: deep stacks, threads, mappings of which parts go, a peak that passes."""

import json
import mmap
import threading


def recurse(depth):
    if depth == 0:
        return [bytearray(5000)]
    return recurse(depth - 1) + [bytes(1000 + depth)]


kept = []


def work(rounds):
    for index in range(rounds):
        kept.append(recurse(index % 20))
        json.loads(json.dumps({str(key): [key] * 10 for key in range(50)}))


mapping = mmap.mmap(-1, 1 << 22)
threads = [threading.Thread(target=work, args=(60,), name="worker-%d" % index) for index in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
mapping.close()
big = [bytearray(1 << 20) for _ in range(20)]
del big
work(30)
