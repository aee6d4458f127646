// A server that keeps most of its memory in C, where no Go profile sees it.
package main

/*
#include <stdlib.h>
#include <string.h>
static void *filled(size_t size) {
	void *block = malloc(size);
	if (block != NULL) memset(block, 1, size);
	return block;
}
*/
import "C"

import (
	"net/http"
	_ "net/http/pprof"
	"strconv"
	"sync"
	"unsafe"

	"brimline.dev/programs/go/serving"
)

var (
	mutex  sync.Mutex
	blocks []unsafe.Pointer
	kept   [][]byte
)

func grow(w http.ResponseWriter, r *http.Request) {
	size, _ := strconv.Atoi(r.FormValue("bytes"))
	mutex.Lock()
	defer mutex.Unlock()
	if r.FormValue("where") == "go" {
		block := make([]byte, size)
		for at := 0; at < size; at += 4096 {
			block[at] = 1
		}
		kept = append(kept, block)
		return
	}
	blocks = append(blocks, C.filled(C.size_t(size)))
}

func main() {
	http.HandleFunc("/grow", grow)
	serving.Run(http.DefaultServeMux)
}
