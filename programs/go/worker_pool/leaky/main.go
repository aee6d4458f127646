// Workers whose answer nobody waits for: they send for ever.
package main

import (
	"context"
	"net/http"
	_ "net/http/pprof"
	"runtime/pprof"
	"strconv"
	"time"

	"brimline.dev/programs/go/serving"
)

type result struct{ value int }

// compute does the work in a goroutine and does not wait for longer than a request may take.
func compute(input int) (result, bool) {
	done := make(chan result)
	go func() {
		time.Sleep(2 * time.Millisecond)
		done <- result{input * 2}
	}()
	select {
	case found := <-done:
		return found, true
	case <-time.After(time.Millisecond / 10):
		return result{}, false
	}
}

func work(w http.ResponseWriter, r *http.Request) {
	count, _ := strconv.Atoi(r.FormValue("count"))
	late := 0
	pprof.Do(r.Context(), pprof.Labels("route", "/work"), func(context.Context) {
		// Until as many answers came too late; on a busy machine one may come in time.
		for input := 0; late < count; input++ {
			if _, found := compute(input); !found {
				late++
			}
		}
	})
	w.Write([]byte(strconv.Itoa(late)))
}

func main() {
	http.HandleFunc("/work", work)
	serving.Run(http.DefaultServeMux)
}
