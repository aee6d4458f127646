"""Dumps two snapshots, and what this version's own compare_to and statistics say of them, as JSON.

Arguments: folder, number of frames.
"""

import json
import os
import sys
import tracemalloc


def recurse(kept, depth):
    if depth:
        recurse(kept, depth - 1)
    kept.append(bytearray(100 + depth))


FILES = {
    "alpha.py": "def grow(kept, n):\n    kept += [bytes(700 + i) for i in range(n)]\n\n\ndef shrink(kept):\n    del kept[::2]\n",
    "beta.py": "import alpha\n\n\ndef call(kept, n):\n    alpha.grow(kept, n)\n    return {i: str(i) for i in range(n)}\n",
}


def plain(statistics, difference):
    rows = []
    for stat in statistics:
        # The innermost frame first, as brimline has it.
        frames = [[frame.filename, frame.lineno] for frame in reversed(list(stat.traceback))]
        row = {"frames": frames, "size": stat.size, "count": stat.count}
        if difference:
            row.update(size_diff=stat.size_diff, count_diff=stat.count_diff)
        rows.append(row)
    return rows


def main():
    folder, frames = sys.argv[1], int(sys.argv[2])
    os.chdir(folder)
    for name, text in FILES.items():
        with open(name, "w") as file:
            file.write(text)
    sys.path.insert(0, folder)
    import beta

    tracemalloc.start(frames)
    kept, more = [], []
    recurse(kept, 9)
    table = beta.call(kept, 50)
    before = tracemalloc.take_snapshot()
    beta.alpha.shrink(kept)
    recurse(more, 30)
    table.update(beta.call(more, 80))
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    before.dump("before.pickle")
    after.dump("after.pickle")
    # Of a snapshot that was filtered: what was left is written.
    keep = tracemalloc.Filter
    filters = {
        "none": [],
        "include": [keep(True, "*alpha.py")],
        "exclude": [keep(False, "*alpha.py")],
        "include_any": [keep(True, "*beta.py", all_frames=True)],
        "exclude_any": [keep(False, "*beta.py", all_frames=True)],
        "line": [keep(True, "*alpha.py", 2)],
    }
    answers = {}
    for name, chosen in filters.items():
        one, two = before.filter_traces(chosen), after.filter_traces(chosen)
        for key in ("lineno", "filename", "traceback"):
            for cumulative in (False, True):
                if cumulative and key == "traceback":
                    continue
                label = "%s %s %s" % (name, key, "cumulative" if cumulative else "own")
                answers[label] = {
                    "compare": plain(two.compare_to(one, key, cumulative), True),
                    "statistics": plain(two.statistics(key, cumulative), False),
                }
    two.dump("filtered.pickle")
    with open("answers.json", "w") as file:
        json.dump(answers, file)


main()
