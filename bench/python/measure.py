"""Running one command and keeping what the kernel says of it; medians with their intervals."""
import math
import os
import statistics
import time
from dataclasses import asdict, dataclass


@dataclass
class Usage:
    """CPU and resident set of a process and of the children it waited for."""

    cpu_seconds: float
    wall_seconds: float
    max_rss_kib: int

    def as_dict(self):
        return asdict(self)


class CommandFailed(Exception):
    """A measured command ended with another code than 0."""


def measure(command, log, environment=None):
    """Run a command to its end. `log` (a path) receives stdout and stderr. The figures are those of os.wait4."""
    with open(log, "wb") as output, open(os.devnull, "rb") as nothing:
        actions = [
            (os.POSIX_SPAWN_DUP2, nothing.fileno(), 0),
            (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
        ]
        start = time.monotonic()
        pid = os.posix_spawnp(command[0], command, environment or os.environ, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        wall = time.monotonic() - start
    if status != 0:
        with open(log, errors="replace") as output:
            tail = output.read()[-2000:]
        raise CommandFailed(f"`{' '.join(command)}` ended with {os.waitstatus_to_exitcode(status)}:\n{tail}")
    return Usage(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss)


@dataclass
class Interval:
    """A median with an interval from order statistics: no assumption about the distribution."""

    median: float
    low: float
    high: float
    coverage: float
    count: int

    def as_dict(self):
        return asdict(self)

    def __str__(self):
        return f"{self.median:.3g} [{self.low:.3g}, {self.high:.3g}]"


def median_interval(values, confidence=0.95):
    """The median and the narrowest symmetric pair of ranks that covers it with at least `confidence`.

    With fewer than six values no pair reaches 95 %: the whole range is returned with the coverage it has.
    """
    ordered = sorted(values)
    count = len(ordered)
    best = (0, 1 - 2 * 0.5**count if count else 0.0)
    for below in range(count // 2):
        tail = sum(math.comb(count, k) for k in range(below + 1)) * 0.5**count
        if 1 - 2 * tail >= confidence:
            best = (below, 1 - 2 * tail)
    rank, coverage = best
    return Interval(statistics.median(ordered), ordered[rank], ordered[count - 1 - rank], coverage, count)
