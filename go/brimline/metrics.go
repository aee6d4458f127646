package brimline

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// writeMemStats writes the statistics as net/http/pprof does behind the heap profile's text.
func writeMemStats(writer io.Writer) {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	fmt.Fprintf(writer, "# runtime.MemStats\n")
	for _, row := range []struct {
		name  string
		value uint64
	}{
		{"Alloc", s.Alloc}, {"TotalAlloc", s.TotalAlloc}, {"Sys", s.Sys}, {"Lookups", s.Lookups},
		{"Mallocs", s.Mallocs}, {"Frees", s.Frees}, {"HeapAlloc", s.HeapAlloc}, {"HeapSys", s.HeapSys},
		{"HeapIdle", s.HeapIdle}, {"HeapInuse", s.HeapInuse}, {"HeapReleased", s.HeapReleased},
		{"HeapObjects", s.HeapObjects}, {"NextGC", s.NextGC}, {"LastGC", s.LastGC},
		{"NumGC", uint64(s.NumGC)}, {"NumForcedGC", uint64(s.NumForcedGC)},
	} {
		fmt.Fprintf(writer, "# %s = %d\n", row.name, row.value)
	}
	fmt.Fprintf(writer, "# Stack = %d / %d\n", s.StackInuse, s.StackSys)
	fmt.Fprintf(writer, "# MSpan = %d / %d\n", s.MSpanInuse, s.MSpanSys)
	fmt.Fprintf(writer, "# MCache = %d / %d\n", s.MCacheInuse, s.MCacheSys)
	fmt.Fprintf(writer, "# BuckHashSys = %d\n# GCSys = %d\n# OtherSys = %d\n", s.BuckHashSys, s.GCSys, s.OtherSys)
	fmt.Fprintf(writer, "# PauseNs = %d\n# PauseEnd = %d\n", s.PauseNs, s.PauseEnd)
	fmt.Fprintf(writer, "# GCCPUFraction = %v\n", s.GCCPUFraction)
	fmt.Fprintf(writer, "# PauseTotalNs = %d\n", s.PauseTotalNs)
}

// writeMetrics writes all metrics of the runtime that are single numbers as JSON, and the version of Go they are of.
func writeMetrics(writer io.Writer) {
	var samples []metrics.Sample
	for _, description := range metrics.All() {
		if description.Kind == metrics.KindUint64 || description.Kind == metrics.KindFloat64 {
			samples = append(samples, metrics.Sample{Name: description.Name})
		}
	}
	metrics.Read(samples)
	fmt.Fprintf(writer, "{\"schema\":\"brimline.go-metrics/1\",\"version\":%q", runtime.Version())
	// The settings in force, whoever made them. Asked with -1 it only tells.
	fmt.Fprintf(writer, ",\"gomemlimit\":%d,\"metrics\":{", debug.SetMemoryLimit(-1))
	separator := ""
	for _, sample := range samples {
		switch sample.Value.Kind() {
		case metrics.KindUint64:
			fmt.Fprintf(writer, "%s%q:%d", separator, sample.Name, sample.Value.Uint64())
		case metrics.KindFloat64:
			value := sample.Value.Float64()
			if math.IsNaN(value) || math.IsInf(value, 0) {
				continue
			}
			fmt.Fprintf(writer, "%s%q:%g", separator, sample.Name, value)
		default:
			continue
		}
		separator = ","
	}
	fmt.Fprint(writer, "}}\n")
}
