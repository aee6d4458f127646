"""fib: as many calls as possible with little memory, then recursion 5000 frames deep that allocates on the way."""
import sys

N = int(sys.argv[1]) if len(sys.argv) > 1 else 35
DESCENTS = 300
DEPTH = 5000


def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)


def descend(depth, trail):
    if depth == 0:
        return len(trail)
    return descend(depth - 1, (depth, trail[0] + depth * 1000)) + 1


def main():
    sys.setrecursionlimit(DEPTH + 1000)
    total = fib(N)
    for round_number in range(DESCENTS):
        total += descend(DEPTH, (0, round_number))
    print(total)


main()
