"""Sessions by id, taken out when it ends."""
import sys

sessions = {}


def open_session(number):
    sessions[f"session-{number}"] = {"user": f"user {number}", "history": [f"/page/{number}/{k}" for k in range(10)]}


def close_session(number):
    del sessions[f"session-{number}"]


def main(count):
    for number in range(count):
        open_session(number)
        close_session(number)
    print(f"{count} sessions opened and closed")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 20000)
