// Keeps objects of many sizes, another choice for each seed, and writes its heap profile beside the runtime's own count.
package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
)

type node struct {
	next  *node
	value [5]int64
}

var (
	blocks [][]byte
	nodes  *node
	texts  = map[string]string{}
)

func main() {
	seed, _ := strconv.ParseUint(os.Args[1], 10, 64)
	random := rand.New(rand.NewPCG(seed, 1))
	// Sizes from 16 bytes to 256 KiB, every power of two as likely; some of it is dropped again.
	for total := 0; total < 24<<20; {
		size := int(math.Exp2(4 + 14*random.Float64()))
		blocks = append(blocks, make([]byte, size))
		total += size
		if random.IntN(3) == 0 {
			blocks[random.IntN(len(blocks))] = nil
		}
	}
	for range 20_000 + random.IntN(100_000) {
		nodes = &node{next: nodes}
	}
	for key := range 5_000 + random.IntN(20_000) {
		texts["key "+strconv.Itoa(key)] = strconv.Itoa(key * 7)
	}
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	file, err := os.Create(os.Args[2])
	if err != nil {
		panic(err)
	}
	if err := pprof.Lookup("heap").WriteTo(file, 0); err != nil {
		panic(err)
	}
	file.Close()
	fmt.Println(stats.HeapAlloc)
	runtime.KeepAlive(blocks)
	runtime.KeepAlive(nodes)
}
