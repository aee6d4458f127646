"""Calls into native_hazards.c; each of its lines must have the stacks and the blocks that the test knows."""
import ctypes
import sys
import threading

hazards = ctypes.CDLL(sys.argv[1])
first, second = (path.encode() for path in sys.argv[2:4])


def deep():
    for depth in range(0, 400):
        hazards.recurse(depth)


def aligned():
    for _ in range(50):
        hazards.realigned(150)


def signals():
    hazards.interrupted(40, 0)
    hazards.interrupted(60, 1)


def jumping():
    hazards.jumps(70)


def reloading():
    assert hazards.reload(first, second, 80) >= 0


def native_threads():
    hazards.threads(8, 200)


def everything_at_once():
    """Signals that allocate, in threads that allocate, while libraries come and go."""
    hazards.ticking(1)
    workers = [threading.Thread(target=hazards.threads, args=(4, 2000)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(10):
        hazards.reload(first, second, 20)
    for worker in workers:
        worker.join()
    return hazards.ticking(0)


def python_threads():
    workers = [threading.Thread(target=aligned) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


deep()
aligned()
signals()
jumping()
reloading()
native_threads()
python_threads()
print(everything_at_once())
