"""`counting_main.py SHIM THREADS`: runs the region on that many threads (0: not at all) and prints the shim's counts."""
import ctypes
import sys
import threading

shim = ctypes.PyDLL(sys.argv[1])
for name in ("shim_install", "shim_start", "shim_stop"):
    getattr(shim, name).restype = None
for name in ("shim_blocks", "shim_bytes", "native_burst", "native_aligned"):
    getattr(shim, name).restype = ctypes.c_long
shim.shim_install()
start, stop = shim.shim_start, shim.shim_stop

import counting_region  # noqa: E402


def counted():
    start()
    counting_region.region()
    stop()


threads = [threading.Thread(target=counted) for _ in range(int(sys.argv[2]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
burst = shim.native_burst(3000, 10)
aligned = shim.native_aligned(400)
print(shim.shim_blocks(), shim.shim_bytes(), burst, aligned)
