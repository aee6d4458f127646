package main

import (
	"fmt"
	"math/rand"

	"github.com/google/pprof/profile"
)

var (
	// With arguments, templates, lambdas, closures, generics, other alphabets, quotes and nothing at all.
	names = []string{
		"main.main", "main.fib", "main.(*Größe).Wachse", "主.函数", "std::vector<int, std::allocator<int> >::push_back(int const&)",
		"(anonymous namespace)::f(char*)", "X::operator()(int)", ".ppc64_dot", "main.Map[go.shape.string,int].Set", "main.glob..func1.2",
		"main.map[string]interface {}", "say \"hi\" <b>&amp;</b>", "a\\b\tc", "", "🦀::emoji", "runtime.mallocgc", "java.lang.Object.<init>",
		"line1000", "Method5",
	}
	paths = []string{"/go/src/main.go", "/go/src/größe/wachse.go", "", "C:\\work\\a b.cpp", "/proc/self/cwd/x.cc", "./rel.go", "<stdin>", "/go/src/main.go"}
)

// strange is a small profile of what generated ones lack: recursion, negative and zero values, functions and files
// without names, locations without lines or mapping, several mappings, folded locations, labels of every kind.
func strange(r *rand.Rand, samples int) *profile.Profile {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "objects", Unit: "count"}, {Type: "wall", Unit: "nanoseconds"}, {Type: "größe", Unit: "bytes"}},
		PeriodType: &profile.ValueType{Type: "wall", Unit: "nanoseconds"}, Period: 10000000,
		TimeNanos: 1700000000123456789, DurationNanos: 90500000000,
		Comments:   []string{"first", "zweitens: ü", ""},
		DropFrames: `runtime\..*|.*\.ppc64_dot`, KeepFrames: `runtime\.keep`,
		DefaultSampleType: []string{"", "wall", "größe"}[r.Intn(3)],
	}
	for i, file := range []string{"/bin/server", "/usr/lib/libc.so.6", "[vdso]", "/opt/größe/lib ü.so", ""} {
		start := uint64(0x400000 + i*0x1000000)
		p.Mapping = append(p.Mapping, &profile.Mapping{ID: uint64(i + 1), Start: start, Limit: start + 0x800000, Offset: uint64(i) * 0x1000, File: file, BuildID: fmt.Sprintf("b%d", i), HasFunctions: i != 2})
	}
	for i, name := range names {
		file := paths[r.Intn(len(paths))]
		p.Function = append(p.Function, &profile.Function{ID: uint64(i + 1), Name: name, SystemName: "_Z" + name, Filename: file, StartLine: int64(r.Intn(3)) * 10})
	}
	for i := 0; i < 60; i++ {
		m := p.Mapping[r.Intn(len(p.Mapping))]
		l := &profile.Location{ID: uint64(i + 1), Mapping: m, Address: m.Start + uint64(r.Intn(0x7fff00)), IsFolded: r.Intn(9) == 0}
		if r.Intn(12) == 0 {
			l.Mapping = nil
		}
		for n := []int{0, 1, 1, 1, 1, 2, 3}[r.Intn(7)]; n > 0; n-- {
			l.Line = append(l.Line, profile.Line{Function: p.Function[r.Intn(len(p.Function))], Line: int64(r.Intn(40) - 1), Column: int64(r.Intn(3))})
		}
		p.Location = append(p.Location, l)
	}
	for i := 0; i < samples; i++ {
		s := &profile.Sample{Value: []int64{int64(r.Intn(7) - 2), int64(r.Intn(2000000) - 500000), int64(r.Intn(5)) * (int64(1) << r.Intn(40))}}
		for d := r.Intn(14); d >= 0; d-- {
			at := p.Location[r.Intn(len(p.Location))]
			// One call in three is of the function that calls.
			for again := r.Intn(3) / 2 * r.Intn(4); again >= 0; again-- {
				s.Location = append(s.Location, at)
			}
		}
		if r.Intn(3) == 0 {
			s.Label = map[string][]string{"route": {[]string{"/a", "/b?x=1,2", "größe ü", ""}[r.Intn(4)]}, "key1": []string{"tag", "tag2"}[:1+r.Intn(2)]}
		}
		if r.Intn(3) == 0 {
			s.NumLabel = map[string][]int64{"bytes": {int64(16) << r.Intn(20)}, "wait": []int64{int64(r.Intn(1000)), -5}[:1+r.Intn(2)]}
			s.NumUnit = map[string][]string{"bytes": {"bytes"}, "wait": []string{"milliseconds", "milliseconds"}[:len(s.NumLabel["wait"])]}
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}
