"""The way to the parent is a weak reference: no cycle, so nothing waits for the collector."""
import gc
import sys
import weakref


class Node:
    def __init__(self, parent, number):
        self.parent = None if parent is None else weakref.ref(parent)
        self.payload = bytes(200) + number.to_bytes(8, "little")
        self.children = []
        if parent is not None:
            parent.children.append(self)


def build(number):
    root = Node(None, number)
    for child in range(10):
        Node(root, number * 10 + child)
    return len(root.children)


def main(count):
    gc.disable()
    total = sum(build(number) for number in range(count))
    print(f"{total} children")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
