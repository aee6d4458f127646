package brimline

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
)

// capturesVariable names the folder for captures; brimline sets it.
const capturesVariable = "BRIMLINE_GO_CAPTURES"

// manyGoroutines are no longer written with their states, while the program stands still.
const manyGoroutines = 100_000

// End keeps the state at the end of a program that ends by itself. Defer it first in main, so that it runs last:
//
//	defer brimline.End()
//
// It takes about as long as two collections. Outside `brimline run` it does nothing. os.Exit runs nothing that is
// deferred: call End before it.
func End() {
	captures := os.Getenv(capturesVariable)
	if captures == "" {
		return
	}
	folder := filepath.Join(captures, "end-"+strconv.Itoa(os.Getpid()))
	if os.MkdirAll(folder, 0o700) == nil {
		// Whatever goes wrong here is brimline's to tell: the program must end as it would without.
		_ = writeCapture(folder)
	}
}

// writeCapture writes what a capture holds into a folder. The file that comes last says that nothing is missing.
func writeCapture(folder string) error {
	var failed error
	write := func(name string, fill func(io.Writer) error) {
		if failed != nil {
			return
		}
		file, err := os.OpenFile(filepath.Join(folder, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err == nil {
			err = fill(file)
			if closed := file.Close(); err == nil {
				err = closed
			}
		}
		failed = err
	}
	profile := func(name string, debug int) func(io.Writer) error {
		return func(writer io.Writer) error { return pprof.Lookup(name).WriteTo(writer, debug) }
	}
	kernel := func(name string) func(io.Writer) error {
		return func(writer io.Writer) error {
			// What the kernel does not tell is missing from the table of resident memory, and nothing else.
			content, _ := os.ReadFile("/proc/self/" + name)
			_, err := writer.Write(content)
			return err
		}
	}
	// Garbage and the kernel's figures at one instant; then a collection, and what is left.
	write("memstats-before.txt", profile("heap", 1))
	write("status.txt", kernel("status"))
	write("smaps.txt", kernel("smaps"))
	runtime.GC()
	write("memstats.txt", profile("heap", 1))
	write("heap.pb.gz", profile("heap", 0))
	write("goroutine.pb.gz", profile("goroutine", 0))
	if runtime.NumGoroutine() <= manyGoroutines {
		write("goroutines.txt", profile("goroutine", 2))
	}
	if pprof.Lookup("goroutineleak") != nil {
		write("goroutineleak.pb.gz", profile("goroutineleak", 0))
	}
	write("complete", func(writer io.Writer) error {
		text := runtime.Version() + "\n"
		for _, name := range []string{"GOGC", "GOMEMLIMIT", "GODEBUG", "GOMAXPROCS"} {
			if value, set := os.LookupEnv(name); set {
				text += name + "=" + value + "\n"
			}
		}
		_, err := io.WriteString(writer, text)
		return err
	})
	return failed
}
