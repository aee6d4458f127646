"""What the interpreter does that trackers get wrong. Prints the same whoever watches."""
import asyncio
import ctypes
import gc
import os
import signal
import sys
import threading
import tracemalloc
import weakref


def generators():
    def countdown(n):
        try:
            while n:
                got = yield n, bytes(n)
                n -= got or 1
        finally:
            print("closed at", n)

    running = countdown(10)
    print(next(running)[0], running.send(3)[0])
    running.close()

    def delegate():
        yield from countdown(2)
        return "end"

    print([pair[0] for pair in delegate()])


def exceptions():
    class Chained(Exception):
        pass

    def fail(depth):
        if depth == 0:
            return 1 // 0
        try:
            return fail(depth - 1)
        except ZeroDivisionError as error:
            raise Chained(depth) from error

    try:
        fail(3)
    except (Chained, ZeroDivisionError) as error:
        chain = []
        while error:
            chain.append(type(error).__name__)
            error = error.__cause__
        print(chain)
    try:
        [0] * (1 << 60)
    except MemoryError:
        print("memory error")


def recursion():
    def deep(n):
        return 0 if n == 0 else 1 + deep(n - 1)

    # Up to 3.10 each Python call takes some of the C stack.
    limit = 20000 if sys.version_info >= (3, 11) else 4000
    sys.setrecursionlimit(limit)
    print(deep(limit * 3 // 4))

    def endless(n):
        return endless(n + 1)

    try:
        endless(0)
    except RecursionError as error:
        print(str(error)[:40])


def threads():
    local = threading.local()
    total = []

    def work(n):
        local.value = [bytes(k) for k in range(n)]
        total.append(sum(map(len, local.value)))

    workers = [threading.Thread(target=work, args=(n,)) for n in range(50)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(sum(total))


def coroutines():
    async def echo(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()

    async def client(port, n):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"client {n}\n".encode())
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        answers = await asyncio.gather(*(client(port, n) for n in range(50)))
        server.close()
        print(len(set(answers)), answers[7])

    asyncio.run(main())


def signals():
    hits = []
    signal.signal(signal.SIGUSR1, lambda number, frame: hits.append(bytes(1000)))
    for _ in range(50):
        os.kill(os.getpid(), signal.SIGUSR1)
        [str(n) for n in range(100)]
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    print(len(hits) > 0, signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL)


def garbage():
    class Node:
        pass

    node = Node()
    node.me = node
    seen = weakref.ref(node, lambda _: print("collected"))
    del node
    gc.collect()
    print(seen() is None, gc.garbage)


def libraries():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.realloc.restype = libc.calloc.restype = ctypes.c_void_p
    libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    block = libc.realloc(libc.malloc(10), 1 << 20)
    ctypes.memset(block, 7, 1 << 20)
    print(ctypes.string_at(block, 3))
    libc.free(block)
    print(libc.realloc(None, 5) is not None, ctypes.get_errno())
    import decimal
    import sqlite3
    import zlib

    database = sqlite3.connect(":memory:")
    database.execute("create table t (a, b)")
    database.executemany("insert into t values (?, ?)", ((n, "x" * n) for n in range(500)))
    print(database.execute("select count(*), sum(length(b)) from t").fetchone())
    print(len(zlib.compress(b"abc" * 10000)), decimal.Decimal(2).sqrt())


def tracing():
    was = tracemalloc.is_tracing()
    tracemalloc.start(5)
    kept = [bytes(100) for _ in range(1000)]
    print(tracemalloc.get_traced_memory()[0] > 100_000, len(kept))
    snapshot = tracemalloc.take_snapshot()
    print(len(snapshot.statistics("lineno")) > 0)
    if not was:
        tracemalloc.stop()
    sys.setprofile(lambda *arguments: None)
    sorted(range(100), key=lambda n: -n)
    sys.setprofile(None)
    print(sys.getprofile(), sys.gettrace())


def environment():
    print(sorted(name for name in sys.modules if "brimline" in name))
    print([thread.name for thread in threading.enumerate()])


for section in (generators, exceptions, recursion, threads, coroutines, signals, garbage, libraries, tracing, environment):
    print("--", section.__name__)
    section()
