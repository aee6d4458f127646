"""Allocates without the types that CPython keeps free lists of (float, tuple, list, dict): for those tracemalloc moves
a block to the line that reuses it, which no allocator hook can see."""
import array
import collections

kept = []


class Slotted:
    __slots__ = ("first", "second")


def texts(count):
    for number in range(count):
        kept.append("text %d" % number)
        kept.append(f"{number} and {number * 2}")
        kept.append(bytes(number))
    text = ""
    for number in range(count):
        text += "piece"
    kept.append(text.upper())


def buffers(count):
    buffer = bytearray()
    for number in range(count):
        buffer += b"some more"
    kept.append(buffer)
    del buffer
    numbers = array.array("d")
    for number in range(count):
        numbers.append(number)
    kept.append(numbers)
    queue = collections.deque()
    for number in range(count):
        queue.append(number)
    kept.append(queue)


def objects(count):
    for number in range(count):
        item = Slotted()
        item.first = number * 1000
        item.second = number**20
        kept.append(item)


def sets(count):
    numbers = set()
    for number in range(count):
        numbers.add(number * 3)
    for number in range(0, count, 2):
        numbers.discard(number * 3)
    kept.append(numbers)


def freed(count):
    for number in range(count):
        bytes(5000 + number)
    del kept[100:200]


def main():
    texts(400)
    buffers(3000)
    objects(500)
    sets(2000)
    freed(300)
