"""Greenlets and gevent: each function allocates on lines of its own, at depths that cross the interpreter's chunks of
frames, and gives way to others between two allocations."""
import sys

import gevent
import gevent.pool
import gevent.queue
import greenlet

kept = []


def texts(count, hub):
    for number in range(count):
        kept.append("text %d" % number)
        hub.switch()
        kept.append(bytes(number))


def deep(depth, hub):
    if depth == 0:
        kept.append(bytes(1000))
        hub.switch()
        kept.append(bytes(2000))
        return
    kept.append(bytearray(depth))
    deep(depth - 1, hub)
    kept.append(bytes(depth))


def numbers(count, hub):
    for number in range(count):
        kept.append(number**20)
        if number % 3 == 0:
            hub.switch()


def generated(count, hub):
    def values():
        for number in range(count):
            yield "value %d" % number

    for value in values():
        kept.append(value)
        hub.switch()


def abandoned(hub):
    held = [bytes(700)]
    kept.append(bytes(800))
    hub.switch()
    kept.append(held)


def switching():
    hub = greenlet.getcurrent()
    tasks = [(texts, 150), (deep, 600), (numbers, 400), (texts, 90), (generated, 120), (deep, 250), (deep, 3)]
    running = []
    for function, size in tasks * 4:
        task = greenlet.greenlet(function)
        task.switch(size, hub)
        running.append(task)
    left = [greenlet.greenlet(abandoned) for _ in range(50)]
    for task in left:
        task.switch(hub)
    while running:
        running = [task for task in running if not task.dead]
        for task in running:
            task.switch()
    # Greenlets that never finish are thrown out of their frames.
    del left, task


def produce(queue, count):
    for number in range(count):
        queue.put("item %d" % number)
        if number % 5 == 0:
            gevent.sleep(0)
    queue.put(None)


def consume(queue):
    while True:
        item = queue.get()
        if item is None:
            return
        kept.append(item + " eaten")
        recurse(30)


def recurse(depth):
    if depth:
        recurse(depth - 1)
    else:
        gevent.sleep(0)
        kept.append(bytes(333))


def cooperating():
    queues = [gevent.queue.Queue(maxsize=4) for _ in range(6)]
    pool = gevent.pool.Pool(20)
    for queue in queues:
        pool.spawn(produce, queue, 60)
        pool.spawn(consume, queue)
    pool.join()


def main():
    sys.setrecursionlimit(5000)
    switching()
    cooperating()
