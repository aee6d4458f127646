"""The average keeps a sum and a count; the last hundred measurements stay for inspection."""
import sys
from collections import deque


class Monitor:
    def __init__(self):
        self.samples = deque(maxlen=100)
        self.sum = 0.0
        self.count = 0

    def record(self, number):
        sample = {"at": number, "milliseconds": number * 7 % 1000 / 10, "route": f"/route/{number % 50}"}
        self.samples.append(sample)
        self.sum += sample["milliseconds"]
        self.count += 1

    def average(self):
        return self.sum / self.count


def main(count):
    monitor = Monitor()
    for number in range(count):
        monitor.record(number)
    print(f"average {monitor.average():.3f} ms of {count}")
    return monitor


kept = main(int(sys.argv[1]) if len(sys.argv) > 1 else 50000)
