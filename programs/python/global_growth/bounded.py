"""The buffer is written out and emptied at 4 KB."""
import sys

log = ""


def note(number):
    global log
    log += f"call {number} answered in {number % 90} ms\n"
    if len(log) > 4096:
        sys.stderr.write(log[-80:])
        log = ""


def main(count):
    for number in range(count):
        note(number)
    print(f"{count} calls noted")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 50000)
