"""What the threads of a storm do in Python: every line here allocates only while the shim counts, but for the import."""


def walk(depth):
    if depth == 0:
        return [bytes(300)]
    inner = walk(depth - 1)
    inner.append((depth, str(depth)))
    return inner


def region():
    table = {}
    for n in range(60):
        table["k%d" % n] = [n * 1.5, n**9]
    walk(30)
    out = bytearray()
    for n in range(60):
        out.extend(b"%d," % n)
    return len(out.decode().split(","))
