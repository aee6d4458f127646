"""What is counted: every allocation on a line of this file is made by `region`, or by the import."""
kept = []


def numbers(count):
    return [n * 3.5 for n in range(count)] + [n**9 for n in range(count)]


def grow(count):
    table = {}
    for n in range(count):
        table["k%d" % n] = [n]
    for n in range(0, count, 2):
        table.pop("k%d" % n)
    return table


def text(count):
    out = bytearray()
    for n in range(count):
        out.extend(b"%d," % n)
    return out.decode().split(",")


def walk(depth):
    if depth == 0:
        return [bytes(1000)]
    inner = walk(depth - 1)
    inner.append((depth, str(depth)))
    return inner


def stream(count):
    return sum(len(str(n)) for n in range(count))


def raise_and_catch(count):
    caught = []
    for n in range(count):
        try:
            {}[n]
        except KeyError as error:
            caught.append(error)
    return caught


def region():
    for _ in range(20):
        kept.append(numbers(500))
        kept.append(grow(400))
        kept.append(text(300))
        kept.append(walk(40))
        stream(1000)
        kept.append(raise_and_catch(30))
        kept.append(sorted(bytes(5000).hex()[:900]))
    del kept[::2]
