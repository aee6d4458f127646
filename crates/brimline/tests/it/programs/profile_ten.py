"""Ten decorated functions whose memory moves by amounts that a resident set shows."""

import sys

if len(sys.argv) > 1 and sys.argv[1] == "imported":
    from memory_profiler import profile

MIB = 1 << 20


@profile
def straight():
    first = bytearray(24 * MIB)
    second = bytearray(40 * MIB)
    del first
    return len(second)


@profile
def loop(times):
    kept = []
    for index in range(times):
        kept.append(bytearray(8 * MIB))
    return len(kept)


@profile
def branch(flag):
    if flag:
        value = bytearray(32 * MIB)
    else:
        value = bytearray(64 * MIB)
    return len(value)


@profile
def comprehension():
    values = [bytearray(4 * MIB) for _ in range(6)]
    return sum(len(value) for value in values)


def helper():
    return bytearray(48 * MIB)


@profile
def calls():
    value = helper()
    other = helper()
    return len(value) + len(other)


@profile
def nested():
    def inner():
        held = bytearray(20 * MIB)
        return held

    value = inner()
    return len(value)


@profile
def context():
    with open("/dev/null") as file:
        value = bytearray(28 * MIB)
        file.fileno()
    return len(value)


@profile
def handled():
    try:
        value = bytearray(36 * MIB)
        raise ValueError
    except ValueError:
        more = bytearray(12 * MIB)
    finally:
        done = True
    return done, len(value), len(more)


@profile
def while_loop():
    count = 0
    kept = []
    while count < 5:
        kept.append(bytearray(10 * MIB))
        count += 1
    return kept


class Holder:
    @profile
    def method(self):
        self.value = bytearray(44 * MIB)
        self.value = None
        return self


straight()
loop(5)
branch(True)
comprehension()
calls()
nested()
context()
handled()
while_loop()
Holder().method()
