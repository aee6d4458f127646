"""The command ``brimline``, which reads recordings and judges series."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from typing import Any, List, Sequence


class CommandError(RuntimeError):
    """The command refused; its message says what it expected."""


def binary() -> str:
    """Path of the command: the one that runs this program, the one installed with this package, or one on PATH."""
    named = os.environ.get("BRIMLINE_BINARY")
    if named:
        return named
    folders = [sysconfig.get_path("scripts")]
    user_scheme = "posix_user" if os.name == "posix" else "nt_user"
    if user_scheme in sysconfig.get_scheme_names():
        folders.append(sysconfig.get_path("scripts", scheme=user_scheme))
    # `pip install --target`
    folders.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bin"))
    for folder in folders:
        path = os.path.join(folder, "brimline") if folder else ""
        if path and os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    found = shutil.which("brimline")
    if found:
        return found
    raise CommandError(
        "expected the command `brimline` beside %s or on PATH, found none; `pip install brimline` brings it"
        % sys.executable
    )


def run(arguments: Sequence[str], accept: Sequence[int] = (0,)) -> str:
    """What the command writes to standard output; its exit code must be one of `accept`."""
    environment = {name: value for name, value in os.environ.items() if name not in _TRACKING}
    done = subprocess.run(
        [binary(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
    )
    if done.returncode not in accept:
        raise CommandError(done.stderr.decode("utf-8", "replace").strip() or "exit code %d" % done.returncode)
    return done.stdout.decode("utf-8", "replace")


def answer(arguments: Sequence[str], accept: Sequence[int] = (0, 3)) -> Any:
    """The command's JSON answer. Exit code 3 is an incomplete one: the recording still grows."""
    words: List[str] = list(arguments)
    return json.loads(run([*words, "--json"], accept))


# What would have the command itself tracked.
_TRACKING = ("LD_PRELOAD", "BRIMLINE_TRACKER_DIR", "BRIMLINE_TRACKER_INJECT", "BRIMLINE_TRACKER_MODE")
