import numpy as np
def numbers():
    a = np.arange(100_000) * 1.0
    b = np.sqrt(a)
    c = np.sort(b[::-1])
    d = np.concatenate([a, b, c])
    e = d.astype("float32").reshape(2, -1).T.copy()
    return e
def text():
    return np.array(["x" * n for n in range(50)])
for _ in range(3):
    numbers()
    text()
