"""The package from within, started without the command."""

import gc
import os
import sys
import threading

import brimline

assert not brimline.is_tracking()
assert brimline.totals().total_bytes == 0
old = bytearray(1_000_000)
brimline.start()
brimline.start()
assert brimline.is_tracking()
del old  # Unknown, and so nothing.
assert brimline.totals().live_bytes >= 0


def near(found, expected, slack=20_000):
    assert abs(found - expected) <= slack, (found, expected)


with brimline.measure(sites=True) as measured:
    kept = bytearray(3_000_000)
    passing = bytearray(5_000_000)
    del passing
near(measured.growth_bytes, 3_000_000)
near(measured.peak_bytes, 8_000_000)
near(measured.total_bytes, 8_000_000)
change = measured.changes()[0]
assert os.path.basename(change.file) == os.path.basename(__file__) and change.delta_bytes >= 3_000_000, change

before = brimline.snapshot()
kept = [bytes(1000) for _ in range(1000)]
after = brimline.snapshot()
grown = brimline.compare(before, after)
assert grown[0].delta_bytes > 1_000_000 and grown[0].delta_count >= 1000, grown[0]
assert grown[-1].delta_bytes <= -3_000_000 + 100 and grown[-1].state == "gone", grown[-1]
saved = after.save(os.path.join(sys.argv[1], "after.rec"))
assert saved.live_bytes == after.live_bytes
assert any(row.line == grown[0].line for row in saved.rows(top=3))

# malloc of a library that is loaded later, and of one that was there before.
if len(sys.argv) > 2:
    import numpy

    with brimline.measure() as measured:
        array = numpy.ones(2_000_000)
    near(measured.growth_bytes, 16_000_000, 100_000)
    with brimline.measure() as measured:
        del array
    near(measured.growth_bytes, -16_000_000, 100_000)


def other_thread():
    kept.append(bytearray(2_000_000))


with brimline.measure() as measured:
    thread = threading.Thread(target=other_thread)
    thread.start()
    thread.join()
near(measured.growth_bytes, 2_000_000, 150_000)

series = brimline.watch(seconds=0.4, interval=0.05)
assert len(series) >= 5 and {"rss", "live"} <= set(series.points), series.points
series.save(os.path.join(sys.argv[1], "series.json"))
assert set(brimline.trend(series).verdicts.values()) <= {"insufficient_data", "steady", "fluctuating"}
leak = brimline.trend([(second, 1e8 + second * 1e6) for second in range(120)])
assert leak.is_leak, leak
watcher = brimline.watch(interval=0.01)
assert len(watcher.stop()) >= 1

brimline.stop()
assert not brimline.is_tracking()
last = brimline.totals()
unseen = bytearray(1_000_000)
assert brimline.totals() == last
brimline.start()
gc.collect()
assert abs(brimline.totals().live_bytes) < 10_000, brimline.totals()
del unseen, kept
again = bytearray(4_000_000)
near(brimline.totals().live_bytes, 4_000_000)
near(brimline.snapshot().rows()[0].live_bytes, 4_000_000)

child = os.fork()
if child == 0:
    grown = bytearray(1_000_000)
    os._exit(0 if brimline.is_tracking() and brimline.totals().live_bytes >= 1_000_000 else 1)
assert os.waitpid(child, 0)[1] == 0
for wrong in (lambda: brimline.start("half"), lambda: brimline.watch(seconds=-1)):
    try:
        wrong()
    except ValueError:
        continue
    raise AssertionError("accepted")
print("all held")
