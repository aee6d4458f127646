"""What memray itself says of a capture: python memray_oracle.py FILE.bin

One tab-separated line per stack of the peak and of what was never freed: which of the two, bytes, blocks, and the frames from the
innermost out as `function|file|line`, joined by `;`. First the totals, where memray has them: `total`, bytes, blocks; and `peak`, bytes.
"""

import sys

import memray
from memray._memray import FileFormat

path = sys.argv[1]
reader = memray.FileReader(path)
try:
    from memray._memray import compute_statistics

    stats = compute_statistics(path)
    print("total", stats.total_memory_allocated, stats.total_num_allocations, sep="\t")
except NotImplementedError:
    pass
print("peak", reader.metadata.peak_memory, sep="\t")
for name, records in (
    # Where it merges threads of an aggregated capture, memray counts each as one block.
    ("high", reader.get_high_watermark_allocation_records(merge_threads=False)),
    ("leak", reader.get_leaked_allocation_records(merge_threads=False)),
):
    sums = {}
    for record in records:
        stack = ";".join("%s|%s|%d" % frame for frame in record.stack_trace())
        size, count = sums.get(stack, (0, 0))
        sums[stack] = (size + record.size, count + record.n_allocations)
    for stack, (size, count) in sums.items():
        print(name, size, count, stack, sep="\t")
