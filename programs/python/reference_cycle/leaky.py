"""Nodes that point to their parent, made while the collector is off, as services with tuned pauses do."""
import gc
import sys


class Node:
    def __init__(self, parent, number):
        self.parent = parent
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
