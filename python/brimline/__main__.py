"""``python -m brimline script.py`` records a script and prints the tables of its ``@profile`` functions; any other command
line is the command's: ``python -m brimline report``."""

from __future__ import annotations

import os
import sys
from typing import List

from ._command import CommandError, binary

_FLAGS = ("--rss",)
_WITH_VALUE = ("--precision", "--table-output", "--mode", "--name", "--lines")


def plan(arguments: List[str]) -> List[str]:
    """The command's arguments: the process is replaced by it, and it starts Python anew with the tracker before
    everything else, so that the script runs in a fresh interpreter as it always does."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "-m":
        name = arguments[at].split("=", 1)[0]
        if name not in _FLAGS + _WITH_VALUE:
            return arguments
        at += 2 if name in _WITH_VALUE and "=" not in arguments[at] else 1
    if at >= len(arguments):
        return arguments
    is_script = arguments[at] == "-m" or arguments[at].endswith((".py", ".pyw")) or os.path.isdir(arguments[at])
    if not is_script:
        return arguments
    return ["run", "--profile", *arguments[:at], "--", sys.executable, *arguments[at:]]


def main() -> None:
    """Replaces this process by the command."""
    try:
        path = binary()
    except CommandError as error:
        sys.exit("error: %s" % error)
    sys.stdout.flush()
    os.execv(path, [path, *plan(sys.argv[1:])])


if __name__ == "__main__":
    main()
