"""Allocates in as many ways as Python has, and keeps what it made. Every line's live memory is compared."""
import array
import collections
import dataclasses
import functools
import gc
import io
import json
import re
import threading

kept = []


@dataclasses.dataclass
class Point:
    x: float
    y: float
    label: str


class Slotted:
    __slots__ = ("first", "second")

    def __init__(self, first, second):
        self.first = first
        self.second = second


class Tree:
    def __init__(self, depth):
        self.payload = [depth] * (depth + 1)
        self.children = [Tree(depth - 1), Tree(depth - 1)] if depth else []


def lists_and_dicts():
    kept.append([[n, n + 1] for n in range(1000)])
    kept.append({n: str(n) for n in range(3000)})
    grown = {}
    for number in range(5000):
        grown[f"key-{number}"] = number * 1.5
    for number in range(0, 5000, 3):
        del grown[f"key-{number}"]
    kept.append(grown)
    kept.append({frozenset((n, n * 2)) for n in range(500)})


def strings_and_bytes():
    text = ""
    for number in range(300):
        text += f"piece {number} "
    kept.append(text)
    kept.append([text.upper(), text.encode(), text.split(), "\u20ac" * 777])
    buffer = bytearray()
    for number in range(2000):
        buffer += number.to_bytes(3, "little")
    kept.append(buffer)
    kept.append(array.array("d", range(4000)))
    stream = io.BytesIO()
    for number in range(100):
        stream.write(b"x" * number)
    kept.append(stream)


def objects():
    kept.append([Point(n * 1.0, n * 2.0, f"p{n}") for n in range(400)])
    kept.append([Slotted(n, [n]) for n in range(400)])
    kept.append(Tree(6))
    queue = collections.deque(maxlen=300)
    for number in range(1000):
        queue.append((number, str(number)))
    kept.append(queue)
    kept.append(collections.OrderedDict((str(n), n) for n in range(600)))
    kept.append(collections.Counter("the quick brown fox" * 20))


def numbers():
    kept.append([2**n for n in range(0, 2000, 7)])
    kept.append([n / 7 for n in range(1500)])


def generators():
    def count(limit):
        state = [0] * 50
        for number in range(limit):
            state[number % 50] = number
            yield (number, tuple(state))

    running = [count(100) for _ in range(40)]
    kept.append([next(generator) for generator in running])
    kept.append(running)
    kept.append(list(count(30)))


def exceptions():
    def fail(depth):
        local = bytes(300 + depth)
        if depth == 0:
            raise ValueError(local)
        fail(depth - 1)

    for depth in range(25):
        try:
            fail(depth)
        except ValueError as error:
            kept.append(error)


def recursion(depth):
    mine = [depth, str(depth)]
    if depth:
        recursion(depth - 1)
        mine.append((depth, "after"))
    kept.append(mine)


@functools.lru_cache(maxsize=None)
def cached(number):
    return tuple(range(number % 20))


def cycles():
    for number in range(2000):
        node = {"number": number}
        node["self"] = node


def modules():
    kept.append(json.loads(json.dumps({str(n): [n, None, "text"] for n in range(300)})))
    kept.append([re.compile(r"(\w+)-(\d{2,5})").findall("ab-123 cd-4567") for _ in range(100)])


def in_threads():
    results = {}

    def work(number):
        results[number] = [f"thread {number} item {n}" for n in range(500)]

    threads = [threading.Thread(target=work, args=(n,), name=f"worker-{n}") for n in range(4)]
    for thread in threads:
        thread.start()
        thread.join()
    kept.append(results)


def freed_elsewhere():
    block = [bytes(600 + n) for n in range(200)]
    thread = threading.Thread(target=block.clear)
    thread.start()
    thread.join()


def closures():
    def make(number):
        values = [number] * 5
        return lambda: values

    kept.append([make(n) for n in range(700)])


def main():
    lists_and_dicts()
    strings_and_bytes()
    objects()
    numbers()
    generators()
    exceptions()
    recursion(200)
    for number in range(600):
        cached(number)
    cycles()
    modules()
    in_threads()
    freed_elsewhere()
    closures()
    del kept[1]
    gc.collect()
