"""A process pool with tasks that return much and fail."""
from concurrent.futures import ProcessPoolExecutor


def square(n):
    if n == 13:
        raise ValueError(f"no {n}")
    return n, [n * k for k in range(2000)]


if __name__ == "__main__":
    with ProcessPoolExecutor(3) as pool:
        futures = [pool.submit(square, n) for n in range(60)]
        failed = [str(future.exception()) for future in futures if future.exception()]
        print(sum(sum(future.result()[1]) for future in futures if not future.exception()), failed)
        print(sum(len(text) for text in pool.map(str.upper, [f"word {n}" * n for n in range(500)], chunksize=20)))
