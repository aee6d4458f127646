"""A small service with a leak: it keeps every session it has ever seen, and copies its whole table once."""

import sys

SESSIONS = {}


def open_session(number):
    SESSIONS[number] = {"user": f"user-{number}", "basket": list(range(20))}


def export():
    rows = [f"{number}: {session}" for number, session in SESSIONS.items()]
    return len("\n".join(rows))


def main(requests):
    for number in range(requests):
        open_session(number)
    print(f"{requests} requests served, {export()} bytes exported")


main(int(sys.argv[1]))
