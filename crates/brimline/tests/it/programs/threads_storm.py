"""`threads_storm.py LIBRARY SHIM THREADS SECONDS`: threads that allocate in C and in Python while two timers send a
thousand signals a second each; prints what the counters in C have seen."""
import ctypes
import json
import os
import signal
import sys
import threading
import time

library = ctypes.CDLL(sys.argv[1])
library.counted.restype = ctypes.c_long
library.work.argtypes = [ctypes.c_int, ctypes.c_uint]
library.work.restype = library.remap.restype = library.jump.restype = None
shim = ctypes.PyDLL(sys.argv[2])
for name in ("shim_install", "shim_start", "shim_stop"):
    getattr(shim, name).restype = None
for name in ("shim_blocks", "shim_bytes"):
    getattr(shim, name).restype = ctypes.c_long
shim.shim_install()
start, stop = shim.shim_start, shim.shim_stop
count, seconds = int(sys.argv[3]), float(sys.argv[4])

import storm_region  # noqa: E402

handled = 0
ended = False
plugin = os.path.abspath("libplugin.so").encode()
work, load = library.work, library.load


def handle(number, frame):
    global handled
    handled += 1
    [bytes(n) for n in range(5)]


def run(number):
    rounds = 0
    while not ended:
        work(2000, number * 100003 + rounds)
        start()
        storm_region.region()
        stop()
        if rounds % 16 == number % 16:
            library.remap(20)
            library.jump(20)
            load(plugin, 2)
        rounds += 1


threads = [threading.Thread(target=run, args=(n,), name=f"storm-{n}") for n in range(count)]
signal.signal(signal.SIGALRM, handle)
library.storm()
for thread in threads:
    thread.start()
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
deadline = time.monotonic() + seconds
while count and time.monotonic() < deadline:
    time.sleep(0.05)
signal.setitimer(signal.ITIMER_REAL, 0)
ended = True
for thread in threads:
    thread.join()
library.calm()
print(json.dumps({
    "native": [library.counted(which) for which in range(4)], "signals": library.counted(4), "handled": handled,
    "python": [shim.shim_blocks(), shim.shim_bytes()],
}))
