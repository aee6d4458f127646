"""numpy: temporaries of 8 MB and of 800 bytes; keeps a 0.8 MB copy every tenth round."""
import sys

import numpy as np

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 70
LARGE = 1_000_000
SMALL = 100
SMALL_STEPS = 10_000


def large_step(a):
    b = a * 2 + 1
    c = np.sqrt(np.abs(b))
    return np.sin(c)


def small_steps():
    x = np.ones(SMALL)
    for _ in range(SMALL_STEPS):
        x = x * 1.0001
        x = x + 0.5
    return float(x[0])


def main():
    a = np.arange(LARGE, dtype=np.float64)
    kept = []
    total = 0.0
    for number in range(ROUNDS):
        result = large_step(a)
        total += small_steps()
        if number % 10 == 0:
            kept.append(result[: LARGE // 10].copy())
    print(len(kept), round(total + sum(float(k.sum()) for k in kept), 3))


main()
