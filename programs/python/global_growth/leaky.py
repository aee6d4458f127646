"""A module-level string buffer that every call makes longer."""
import sys

log = ""


def note(number):
    global log
    log += f"call {number} answered in {number % 90} ms\n"


def main(count):
    for number in range(count):
        note(number)
    print(f"{count} calls noted")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 50000)
