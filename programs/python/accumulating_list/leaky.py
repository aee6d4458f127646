"""Measurements are kept in a list for an average that only needs their sum."""
import sys


class Monitor:
    def __init__(self):
        self.samples = []

    def record(self, number):
        self.samples.append({"at": number, "milliseconds": number * 7 % 1000 / 10, "route": f"/route/{number % 50}"})

    def average(self):
        return sum(sample["milliseconds"] for sample in self.samples) / len(self.samples)


def main(count):
    monitor = Monitor()
    for number in range(count):
        monitor.record(number)
    print(f"average {monitor.average():.3f} ms of {count}")
    return monitor


kept = main(int(sys.argv[1]) if len(sys.argv) > 1 else 50000)
