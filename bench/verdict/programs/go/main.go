// Command record writes one trace of one small Go program whose growth is known by construction.
//
//	record PROGRAM SEED ITERATIONS [BATCH] > trace.csv        record --list
//
// Columns as in record.py: HeapAlloc after two forced collections, HeapAlloc before them, VmRSS. Programs outside tune.go that
// are level once started run 30 iterations before the first row.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

var r *rand.Rand
var sink any

type program struct {
	name, truth string
	setup       func() func(i int)
}

func churn() {
	rows := make([]map[string]any, 40)
	for i := range rows {
		rows[i] = map[string]any{"id": i, "text": strings.Repeat("x", r.Intn(200))}
	}
	sink, _ = json.Marshal(rows)
}

func serve(handler http.Handler, times int, path func(i, j int) string) func(i int) {
	return func(i int) {
		for j := 0; j < times; j++ {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest("GET", path(i, j), strings.NewReader(strings.Repeat("y", r.Intn(500)))))
		}
	}
}

func path(i, j int) string { return fmt.Sprintf("/r/%d-%d", i, j) }

var list [][]byte
var sessions = map[string][]byte{}

func resident() float64 {
	statm, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.ParseFloat(strings.Fields(string(statm))[1], 64)
	return pages * 4096
}

func main() {
	if os.Args[1] == "--list" {
		for _, p := range tunePrograms {
			fmt.Println(p.name, "tune", p.truth)
		}
		for _, p := range firstLookPrograms {
			fmt.Println(p.name, "first_look", p.truth)
		}
		for _, p := range secondLookPrograms {
			fmt.Println(p.name, "second_look", p.truth)
		}
		for _, p := range thirdLookPrograms {
			fmt.Println(p.name, "third_look", p.truth)
		}
		for _, p := range fourthLookPrograms {
			fmt.Println(p.name, "fourth_look", p.truth)
		}
		for _, p := range fifthLookPrograms {
			fmt.Println(p.name, "fifth_look", p.truth)
		}
		return
	}
	seed, _ := strconv.ParseInt(os.Args[2], 10, 64)
	iterations, _ := strconv.Atoi(os.Args[3])
	batch := 1
	if len(os.Args) > 4 {
		batch, _ = strconv.Atoi(os.Args[4])
	}
	r = rand.New(rand.NewSource(seed))
	for _, p := range tunePrograms {
		if p.name == os.Args[1] {
			record(p, "tune", seed, iterations, batch)
		}
	}
	for _, p := range firstLookPrograms {
		if p.name == os.Args[1] {
			record(p, "first_look", seed, iterations, batch)
		}
	}
	for _, p := range secondLookPrograms {
		if p.name == os.Args[1] {
			record(p, "second_look", seed, iterations, batch)
		}
	}
	for _, p := range thirdLookPrograms {
		if p.name == os.Args[1] {
			record(p, "third_look", seed, iterations, batch)
		}
	}
	for _, p := range fourthLookPrograms {
		if p.name == os.Args[1] {
			record(p, "fourth_look", seed, iterations, batch)
		}
	}
	for _, p := range fifthLookPrograms {
		if p.name == os.Args[1] {
			record(p, "fifth_look", seed, iterations, batch)
		}
	}
}

func record(p program, split string, seed int64, iterations, batch int) {
	rows := make([][4]float64, iterations)
	run := p.setup()
	if split != "tune" && (p.truth == "steady" || p.truth == "spikes" || p.truth == "fluctuating") {
		for i := -30; i < 0; i++ {
			run(i)
		}
	}
	begun := time.Now()
	var stats runtime.MemStats
	for i := range rows {
		for step := range batch {
			run(i*batch + step)
		}
		runtime.ReadMemStats(&stats)
		rows[i][1] = float64(stats.HeapAlloc)
		if p.truth != "gc_sawtooth" {
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&stats)
			rows[i][0] = float64(stats.HeapAlloc)
		}
		rows[i][2] = resident()
		rows[i][3] = time.Since(begun).Seconds()
	}
	fmt.Printf("# program=go/%s split=%s truth=%s seed=%d batch=%d\n", p.name, split, p.truth, seed, batch)
	fmt.Println("iteration,seconds,heap_after_gc,heap,rss")
	for i, row := range rows {
		fmt.Printf("%d,%.3f,%.0f,%.0f,%.0f\n", i, row[3], row[0], row[1], row[2])
	}
}
