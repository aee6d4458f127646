"""IPython and Jupyter: ``%load_ext brimline``."""

from __future__ import annotations

import argparse
import shlex
from typing import Any, List

from . import _lines, _session
from ._measure import measure
from ._snapshot import snapshot


def _options(line: str, name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=name, add_help=False)
    parser.add_argument("--by", default="line", choices=["line", "function", "file", "module"])
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--metric", default="peak", choices=["live", "peak", "total"])
    parser.add_argument("--mode", default="exact", choices=["exact", "malloc", "sampled"])
    parser.add_argument("--no-picture", action="store_true")
    return parser.parse_args(shlex.split(line))


def register(shell: Any) -> None:
    """Adds the magics to a shell."""
    from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
    from IPython import display as shown

    display: Any = shown

    @magics_class
    class BrimlineMagics(Magics):
        """Where a cell's memory goes."""

        @cell_magic
        def brimline(self, line: str, cell: str) -> None:
            """%%brimline [--by line|function|file|module] [--metric peak|live|total] [--top N] [--no-picture]

            Runs the cell and shows what it allocated: figures, the top rows, and a flame graph.
            """
            options = _options(line, "%%brimline")
            is_own = not _session.is_tracking()
            if is_own:
                _session.start(options.mode)
            try:
                with measure(sites=not is_own) as measured:
                    shell.run_cell(cell)
                kept = snapshot(collect=False)
            finally:
                if is_own:
                    _session.stop()
            print(
                "growth %+.1f KiB, peak %+.1f KiB, allocated %.1f KiB in %d blocks"
                % (
                    measured.growth_bytes / 1024,
                    measured.peak_bytes / 1024,
                    measured.total_bytes / 1024,
                    measured.total_count,
                )
            )
            if is_own:
                print(kept.table(by=options.by, top=options.top))
            else:
                for change in measured.changes(options.by)[: options.top]:
                    place = "%s:%s" % (change.file, change.line) if change.line else change.file or change.module
                    print("%+12d B %+8d  %s" % (change.delta_bytes, change.delta_count, place))
            if not options.no_picture:
                display.display(display.SVG(kept.flame(options.metric)))

        @line_magic
        def brimline_lines(self, line: str) -> None:
            """%brimline_lines -f FUNCTION [-f FUNCTION] [--rss] STATEMENT

            The line-by-line table of the functions while the statement runs (as %mprun).
            """
            functions: List[Any] = []
            rest = line.strip()
            while rest.startswith(("-f ", "--rss")):
                if rest.startswith("--rss"):
                    _lines.use_resident_memory()
                    rest = rest[len("--rss") :].lstrip()
                    continue
                name, _, rest = rest[len("-f ") :].lstrip().partition(" ")
                functions.append(shell.ev(name))
                rest = rest.lstrip()
            if not functions or not rest:
                raise ValueError("expected %brimline_lines -f FUNCTION STATEMENT")
            tables = [_lines.Table(_lines.code_of(function)) for function in functions]
            with _lines.following():
                exec(rest, shell.user_ns)
            for table in tables:
                table.write()

    shell.register_magics(BrimlineMagics)
