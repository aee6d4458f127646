// A program without HTTP: the package brimline serves its profiles.
package main

import (
	"fmt"
	"os"
	"time"

	_ "github.com/brimline/brimline/go/brimline"
)

var kept [][]byte

func keep(size int) {
	block := make([]byte, size)
	for at := 0; at < size; at += 4096 {
		block[at] = 1
	}
	kept = append(kept, block)
}

func main() {
	for range 32 {
		keep(1 << 20)
	}
	fmt.Println("filled")
	patience, err := time.ParseDuration(os.Getenv("PATIENCE"))
	if err != nil {
		patience = time.Minute
	}
	time.Sleep(patience)
}
