// Writes heap profiles of known size: `go run . -samples 160000 -out p10.pb.gz`.
package main

import (
	"flag"
	"fmt"
	"log"
	"math/rand"
	"os"

	"github.com/google/pprof/profile"
)

func main() {
	samples := flag.Int("samples", 160000, "number of samples")
	locations := flag.Int("locations", 20000, "number of locations")
	functions := flag.Int("functions", 5000, "number of functions")
	depth := flag.Int("depth", 30, "largest depth of a stack")
	fanout := flag.Int("fanout", 8, "callees per location")
	odd := flag.Bool("strange", false, "a profile with all that real ones seldom have; only -samples and -seed matter")
	skew := flag.Bool("skew", false, "call few callees often")
	seed := flag.Int64("seed", 1, "seed of the generator")
	out := flag.String("out", "", "file to write")
	flag.Parse()

	r := rand.New(rand.NewSource(*seed))
	if *odd {
		write(strange(r, *samples), *out)
		return
	}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{
			{Type: "alloc_objects", Unit: "count"}, {Type: "alloc_space", Unit: "bytes"},
			{Type: "inuse_objects", Unit: "count"}, {Type: "inuse_space", Unit: "bytes"},
		},
		PeriodType: &profile.ValueType{Type: "space", Unit: "bytes"}, Period: 524288, TimeNanos: 1700000000e9,
	}
	m := &profile.Mapping{ID: 1, Start: 0x400000, Limit: 0x4000000, File: "/bin/server", HasFunctions: true, HasFilenames: true, HasLineNumbers: true, HasInlineFrames: true}
	p.Mapping = []*profile.Mapping{m}
	for i := 0; i < *functions; i++ {
		name := fmt.Sprintf("example.com/service/pkg%d.(*Type%d).Method%d", i%97, i%413, i)
		p.Function = append(p.Function, &profile.Function{ID: uint64(i + 1), Name: name, SystemName: name, Filename: fmt.Sprintf("/go/src/service/pkg%d/file%d.go", i%97, i%701), StartLine: int64(i%900 + 1)})
	}
	for i := 0; i < *locations; i++ {
		l := &profile.Location{ID: uint64(i + 1), Mapping: m, Address: 0x400000 + uint64(i)*16}
		lines := 1
		if r.Intn(10) < 3 {
			lines = 2
		}
		for n := 0; n < lines; n++ {
			f := p.Function[(i+n*131)%*functions]
			l.Line = append(l.Line, profile.Line{Function: f, Line: f.StartLine + int64(r.Intn(60))})
		}
		p.Location = append(p.Location, l)
	}
	next := func(at int) int {
		step := r.Intn(*fanout)
		if *skew {
			step = r.Intn(step + 1)
		}
		return (at*7 + 13 + step*101) % *locations
	}
	for i := 0; i < *samples; i++ {
		d := *depth/3 + r.Intn(*depth*2/3+1)
		stack := make([]*profile.Location, d)
		at := r.Intn(4)
		for n := d - 1; n >= 0; n-- {
			stack[n] = p.Location[at]
			at = next(at)
		}
		size := int64(16) << r.Intn(12)
		count := int64(r.Intn(2000) + 1)
		live := count / int64(r.Intn(4)+1)
		p.Sample = append(p.Sample, &profile.Sample{Location: stack, Value: []int64{count, count * size, live, live * size}, NumLabel: map[string][]int64{"bytes": {size}}, NumUnit: map[string][]string{"bytes": {"bytes"}}})
	}
	write(p, *out)
}

func write(p *profile.Profile, out string) {
	f, err := os.Create(out)
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Write(f); err != nil {
		log.Fatal(err)
	}
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
}
