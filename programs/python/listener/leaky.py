"""Every connection registers a listener at the event hub and none takes it away."""
import sys


class Hub:
    def __init__(self):
        self.listeners = []

    def on_change(self, listener):
        self.listeners.append(listener)


class Connection:
    def __init__(self, hub, number):
        self.hub = hub
        self.buffer = bytearray(256)
        self.number = number
        hub.on_change(self.changed)

    def changed(self, value):
        self.buffer[0] = value % 256

    def close(self):
        self.buffer[1] = 1


def main(count):
    hub = Hub()
    for number in range(count):
        Connection(hub, number).close()
    print(f"{count} connections closed")
    return hub


kept = main(int(sys.argv[1]) if len(sys.argv) > 1 else 10000)
