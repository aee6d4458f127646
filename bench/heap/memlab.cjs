// Opens a snapshot with memlab as its own commands do: parse, distances, dominators, retained sizes.
const { getFullHeapFromFile } = require('@memlab/heap-analysis');
getFullHeapFromFile(process.argv[2]).then(heap => { console.log(heap.nodes.length); process.exit(0); });
