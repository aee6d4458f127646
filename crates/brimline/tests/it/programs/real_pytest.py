"""A part of pytest's own suite: `real_pytest.py FOLDER` with the unpacked sources; prints every test's outcome."""
import contextlib
import io
import os
import sys

import pytest

PARTS = ["test_compat.py", "test_mark_expression.py", "test_monkeypatch.py", "test_stash.py", "test_scope.py", "code"]


class Outcomes:
    def __init__(self):
        self.lines = []

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.lines.append(f"{report.outcome} {report.nodeid}")


os.chdir(sys.argv[1])
outcomes = Outcomes()
arguments = ["-p", "no:cacheprovider", *("testing/" + part for part in PARTS)]
# The terminal report has times in it.
with contextlib.redirect_stdout(io.StringIO()):
    code = pytest.main(arguments, plugins=[outcomes])
print("\n".join(sorted(outcomes.lines)))
sys.exit(int(code))
