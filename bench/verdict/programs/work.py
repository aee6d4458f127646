"""What the recorded Python programs share: their random numbers and some work that leaves nothing behind."""

import random

R = random.Random()


def text(low, high):
    return "x" * R.randrange(low, high)


def churn(times=200):
    kept = [{"id": i, "body": text(10, 400), "tags": [str(j) for j in range(R.randrange(5))]} for i in range(times)]
    return sum(len(row["body"]) for row in kept)
