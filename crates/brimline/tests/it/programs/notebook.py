"""Runs a notebook in a kernel without a browser, and looks at what it shows."""

import nbclient
import nbformat

CELLS = [
    "%load_ext brimline",
    "%%brimline --top 5\nkept = [bytes(1000) for _ in range(2000)]\npassing = bytearray(6_000_000)\ndel passing",
    "def grow(times):\n    held = []\n    for index in range(times):\n        held.append(bytearray(1 << 20))\n    return held",
    "%brimline_lines -f grow grow(4)",
    "import brimline\nbrimline.start()",
    "%%brimline --by line --no-picture\nmore = bytearray(9_000_000)",
    "brimline.stop()",
]

notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()


def text(cell):
    return "".join(output.get("text", "") for output in notebook.cells[cell].outputs)


def pictures(cell):
    return [output["data"]["image/svg+xml"] for output in notebook.cells[cell].outputs if "image/svg+xml" in output.get("data", {})]


assert "peak +" in text(1) and "KiB" in text(1), notebook.cells[1].outputs
assert len(pictures(1)) == 1 and "<svg" in pictures(1)[0] and "</svg>" in pictures(1)[0]
table = [line.split() for line in text(3).splitlines() if "held.append" in line]
assert len(table) == 1 and table[0][1:6] == [table[0][1], "MiB", "4.0", "MiB", "4"], text(3)
assert "+9000" in text(5), text(5)
assert not pictures(5)
print("all held")
