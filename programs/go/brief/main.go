// A program that fills some memory and ends at once: by the end of main, by os.Exit where EXIT is set, with a capture of
// its own where END is set.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/brimline/brimline/go/brimline"
)

var kept [][]byte

func keep(count int) {
	for range count {
		block := make([]byte, 1<<20)
		for at := 0; at < len(block); at += 4096 {
			block[at] = 1
		}
		kept = append(kept, block)
	}
}

func main() {
	if os.Getenv("END") != "" {
		defer brimline.End()
	}
	keep(24)
	fmt.Println("filled", len(kept))
	if code, err := strconv.Atoi(os.Getenv("EXIT")); err == nil {
		os.Exit(code)
	}
}
