package main

import (
	"fmt"
	"math"
	"net/http"
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

func ginApp(handle gin.HandlerFunc) func() func(int) {
	return func() func(int) {
		gin.SetMode(gin.ReleaseMode)
		app := gin.New()
		app.GET("/r/:id", handle)
		return serve(app, 10, path)
	}
}

// Programs for tuning.
var tunePrograms = []program{
	{"map_leak", "linear_leak", func() func(int) {
		seen := map[int][]byte{}
		return func(i int) {
			churn()
			for j := 0; j < 3; j++ {
				seen[i*3+j] = make([]byte, 512)
			}
		}
	}},
	{"json_steady", "steady", func() func(int) { return func(int) { churn(); churn() } }},
	{"goroutine_leak", "linear_leak", func() func(int) {
		return func(int) {
			churn()
			for j := 0; j < 2; j++ {
				c := make(chan []byte)
				go func() { c <- make([]byte, 1024) }()
			}
			time.Sleep(time.Millisecond)
		}
	}},
	{"step_leak", "stepwise_growth", func() func(int) {
		return func(i int) {
			churn()
			if i%30 == 29 {
				list = append(list, make([]byte, 200_000))
			}
		}
	}},
	{"spikes", "spikes", func() func(int) {
		return func(int) {
			churn()
			list = nil
			if r.Float64() < 0.06 {
				list = append(list, make([]byte, 2_000_000))
			}
		}
	}},
	{"wave_load", "fluctuating", func() func(int) {
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
	{"gin_steady", "steady", ginApp(func(c *gin.Context) { c.JSON(200, gin.H{"id": c.Param("id"), "rows": make([]int, r.Intn(200))}) })},
	{"gin_log_leak", "linear_leak", ginApp(func(c *gin.Context) {
		list = append(list, make([]byte, 256))
		c.JSON(200, gin.H{"n": len(list)})
	})},
	{"gin_session_leak", "linear_leak", ginApp(func(c *gin.Context) {
		sessions[c.Param("id")] = make([]byte, 128)
		c.Status(204)
	})},
	{"echo_steady", "steady", func() func(int) {
		app := echo.New()
		app.GET("/r/:id", func(c echo.Context) error {
			return c.JSON(200, map[string]any{"id": c.Param("id"), "q": make([]int, r.Intn(90))})
		})
		return serve(app, 10, path)
	}},
	{"chi_leak", "linear_leak", func() func(int) {
		app := chi.NewRouter()
		app.Get("/r/{id}", func(w http.ResponseWriter, q *http.Request) {
			sessions[chi.URLParam(q, "id")] = make([]byte, 400)
			w.WriteHeader(204)
		})
		return serve(app, 5, path)
	}},
	{"mux_steady", "steady", func() func(int) {
		app := mux.NewRouter()
		app.HandleFunc("/r/{id}", func(w http.ResponseWriter, q *http.Request) {
			fmt.Fprint(w, mux.Vars(q)["id"], strings.Repeat("z", r.Intn(900)))
		})
		return serve(app, 12, path)
	}},
	{"golang_lru_plateau", "warm_up_plateau", func() func(int) {
		cache, _ := lru.New[int, []byte](500)
		return func(int) {
			for j := 0; j < 11; j++ {
				cache.Add(r.Intn(1e9), make([]byte, 1024))
			}
		}
	}},
	{"go_cache_leak", "linear_leak", func() func(int) {
		cache := gocache.New(gocache.NoExpiration, 0)
		return func(i int) {
			churn()
			for j := 0; j < 4; j++ {
				cache.Set(path(i, j), make([]byte, 320), gocache.NoExpiration)
			}
		}
	}},
	{"go_cache_keys_plateau", "warm_up_plateau", func() func(int) {
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
