// Sends requests at a fixed rate for a time, whatever the answers take, and prints how many came and how long they took.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

func main() {
	url := flag.String("url", "", "address; %d becomes the number of the request")
	rate := flag.Int("rate", 1000, "requests a second")
	duration := flag.Duration("duration", 30*time.Second, "how long")
	flag.Parse()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 10 * time.Second}
	total := int(duration.Seconds() * float64(*rate))
	latencies := make([]time.Duration, total)
	failed := make([]bool, total)
	var group sync.WaitGroup
	slots := make(chan struct{}, 256)
	begun := time.Now()
	for number := range total {
		due := begun.Add(time.Duration(number) * time.Second / time.Duration(*rate))
		time.Sleep(time.Until(due))
		slots <- struct{}{}
		group.Add(1)
		go func() {
			defer group.Done()
			defer func() { <-slots }()
			answer, err := client.Get(fmt.Sprintf(*url, number))
			if err == nil {
				_, err = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
			latencies[number] = time.Since(due)
			failed[number] = err != nil || answer.StatusCode != 200
		}()
	}
	group.Wait()
	seconds := time.Since(begun).Seconds()
	slices.Sort(latencies)
	errors := 0
	for _, one := range failed {
		if one {
			errors++
		}
	}
	at := func(share float64) float64 { return latencies[int(float64(total-1)*share)].Seconds() * 1000 }
	fmt.Fprintf(os.Stdout, "{\"requests\":%d,\"errors\":%d,\"seconds\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n", total, errors, seconds, at(0.5), at(0.99))
}
