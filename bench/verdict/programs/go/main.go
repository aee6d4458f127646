// Command record writes one trace of one small Go program whose growth is known by construction.
//
//	record PROGRAM SEED ITERATIONS > trace.csv        record --list
//
// Columns as in record.py: HeapAlloc after two forced collections, HeapAlloc before them, VmRSS.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"
	gocache "github.com/patrickmn/go-cache"
)

var r *rand.Rand
var sink any

type program struct {
	name, split, truth string
	setup              func() func(i int)
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

func ginApp(handle gin.HandlerFunc) func() func(int) {
	return func() func(int) {
		gin.SetMode(gin.ReleaseMode)
		app := gin.New()
		app.GET("/r/:id", handle)
		return serve(app, 10, path)
	}
}

var list [][]byte
var sessions = map[string][]byte{}

var programs = []program{
	{"map_leak", "tune", "linear_leak", func() func(int) {
		seen := map[int][]byte{}
		return func(i int) {
			churn()
			for j := 0; j < 3; j++ {
				seen[i*3+j] = make([]byte, 512)
			}
		}
	}},
	{"json_steady", "tune", "steady", func() func(int) { return func(int) { churn(); churn() } }},
	{"goroutine_leak", "held_out", "linear_leak", func() func(int) {
		return func(int) {
			churn()
			for j := 0; j < 2; j++ {
				c := make(chan []byte)
				go func() { c <- make([]byte, 1024) }()
			}
			time.Sleep(time.Millisecond)
		}
	}},
	{"step_leak", "held_out", "stepwise_growth", func() func(int) {
		return func(i int) {
			churn()
			if i%30 == 29 {
				list = append(list, make([]byte, 200_000))
			}
		}
	}},
	{"spikes", "tune", "spikes", func() func(int) {
		return func(int) {
			churn()
			list = nil
			if r.Float64() < 0.06 {
				list = append(list, make([]byte, 2_000_000))
			}
		}
	}},
	{"wave_load", "held_out", "fluctuating", func() func(int) {
		return func(i int) {
			churn()
			wanted := int(500 + 350*math.Sin(float64(i)/12))
			for len(list) < wanted {
				list = append(list, make([]byte, 2048))
			}
			for k := wanted; k < len(list); k++ {
				list[k] = nil
			}
			list = list[:wanted]
		}
	}},
	{"gin_steady", "held_out", "steady", ginApp(func(c *gin.Context) { c.JSON(200, gin.H{"id": c.Param("id"), "rows": make([]int, r.Intn(200))}) })},
	{"gin_log_leak", "held_out", "linear_leak", ginApp(func(c *gin.Context) {
		list = append(list, make([]byte, 256))
		c.JSON(200, gin.H{"n": len(list)})
	})},
	{"gin_session_leak", "held_out", "linear_leak", ginApp(func(c *gin.Context) {
		sessions[c.Param("id")] = make([]byte, 128)
		c.Status(204)
	})},
	{"echo_steady", "tune", "steady", func() func(int) {
		app := echo.New()
		app.GET("/r/:id", func(c echo.Context) error { return c.JSON(200, map[string]any{"id": c.Param("id"), "q": make([]int, r.Intn(90))}) })
		return serve(app, 10, path)
	}},
	{"chi_leak", "tune", "linear_leak", func() func(int) {
		app := chi.NewRouter()
		app.Get("/r/{id}", func(w http.ResponseWriter, q *http.Request) {
			sessions[chi.URLParam(q, "id")] = make([]byte, 400)
			w.WriteHeader(204)
		})
		return serve(app, 5, path)
	}},
	{"mux_steady", "held_out", "steady", func() func(int) {
		app := mux.NewRouter()
		app.HandleFunc("/r/{id}", func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, mux.Vars(q)["id"], strings.Repeat("z", r.Intn(900))) })
		return serve(app, 12, path)
	}},
	{"golang_lru_plateau", "held_out", "warm_up_plateau", func() func(int) {
		cache, _ := lru.New[int, []byte](500)
		return func(int) {
			for j := 0; j < 11; j++ {
				cache.Add(r.Intn(1e9), make([]byte, 1024))
			}
		}
	}},
	{"go_cache_leak", "held_out", "linear_leak", func() func(int) {
		cache := gocache.New(gocache.NoExpiration, 0)
		return func(i int) {
			churn()
			for j := 0; j < 4; j++ {
				cache.Set(path(i, j), make([]byte, 320), gocache.NoExpiration)
			}
		}
	}},
	{"go_cache_keys_plateau", "tune", "warm_up_plateau", func() func(int) {
		cache := gocache.New(gocache.NoExpiration, 0)
		return func(int) {
			for j := 0; j < 15; j++ {
				key := strconv.Itoa(r.Intn(400))
				if _, ok := cache.Get(key); !ok {
					cache.Set(key, make([]byte, 1500), gocache.NoExpiration)
				}
			}
		}
	}},
}

func resident() float64 {
	statm, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.ParseFloat(strings.Fields(string(statm))[1], 64)
	return pages * 4096
}

func main() {
	if os.Args[1] == "--list" {
		for _, p := range programs {
			fmt.Println(p.name, p.split, p.truth)
		}
		return
	}
	seed, _ := strconv.ParseInt(os.Args[2], 10, 64)
	iterations, _ := strconv.Atoi(os.Args[3])
	r = rand.New(rand.NewSource(seed))
	for _, p := range programs {
		if p.name != os.Args[1] {
			continue
		}
		rows := make([][4]float64, iterations)
		run := p.setup()
		begun := time.Now()
		var stats runtime.MemStats
		for i := range rows {
			run(i)
			runtime.ReadMemStats(&stats)
			rows[i][1] = float64(stats.HeapAlloc)
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&stats)
			rows[i][0] = float64(stats.HeapAlloc)
			rows[i][2] = resident()
			rows[i][3] = time.Since(begun).Seconds()
		}
		fmt.Printf("# program=go/%s split=%s truth=%s seed=%d\n", p.name, p.split, p.truth, seed)
		fmt.Println("iteration,seconds,heap_after_gc,heap,rss")
		for i, row := range rows {
			fmt.Printf("%d,%.3f,%.0f,%.0f,%.0f\n", i, row[3], row[0], row[1], row[2])
		}
	}
}
