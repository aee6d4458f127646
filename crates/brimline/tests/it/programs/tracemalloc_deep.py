"""Recursion far beyond the depth at which the tracker changes its way of reading stacks."""
import sys

kept = []


def descend(depth):
    mine = [depth, str(depth)]
    if depth:
        descend(depth - 1)
        mine.append((depth, "after"))
    if depth % 3 == 0:
        kept.append(mine)


def walk(depth):
    if depth:
        yield bytes(depth)
        yield from walk(depth - 1)


def fail(depth):
    kept.append(str(depth) * 20)
    if depth == 0:
        raise ValueError("bottom")
    fail(depth - 1)


def main():
    sys.setrecursionlimit(20000)
    for depth in (50, 200, 1500, 300, 9000):
        descend(depth)
    kept.extend(walk(400))
    try:
        fail(700)
    except ValueError:
        kept.append(bytes(999))
