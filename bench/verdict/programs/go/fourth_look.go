package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/google/btree"
	"github.com/gorilla/mux"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/labstack/echo/v4"
	"github.com/patrickmn/go-cache"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/xuri/excelize/v2"
	"github.com/yuin/goldmark"
	"go.uber.org/zap"
)

func ginWith(prepare func(*gin.Engine)) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	prepare(engine)
	return engine
}

// Programs written after the third look, judged once by the code as it stands.
var fourthLookPrograms = []program{
	// Servers that let go.
	{"gin_bind_steady", "steady", func() func(int) {
		return serve(ginWith(func(engine *gin.Engine) {
			engine.Use(gin.Recovery())
			engine.GET("/r/:id", func(c *gin.Context) { c.JSON(200, gin.H{"id": c.Param("id"), "note": fill(1, 900)}) })
		}), 8, path)
	}},
	{"echo_groups_steady", "steady", func() func(int) {
		server := echo.New()
		server.Group("/r").GET("/:id", func(c echo.Context) error { return c.String(200, c.Param("id")+fill(1, 600)) })
		return serve(server, 8, path)
	}},
	{"mux_timeouts_steady", "steady", func() func(int) {
		router := mux.NewRouter()
		router.HandleFunc("/r/{id}", func(w http.ResponseWriter, q *http.Request) {
			ctx, cancel := context.WithTimeout(q.Context(), time.Second)
			defer cancel()
			fmt.Fprint(w, ctx.Err(), mux.Vars(q)["id"])
		})
		return serve(router, 8, path)
	}},
	{"goldmark_pages_steady", "steady", func() func(int) {
		return times(2, func(i, j int) {
			var page strings.Builder
			_ = goldmark.Convert([]byte("# x\n\n"+strings.Repeat("* item *y*\n", 1+r.Intn(50))), &page)
			sink = page.Len()
		})
	}},
	{"workers_steady", "steady", func() func(int) {
		return times(6, func(i, j int) {
			done := make(chan int, 3)
			for range 3 {
				size := 1 + r.Intn(5000)
				go func() { done <- len(make([]byte, size)) }()
			}
			for range 3 {
				<-done
			}
		})
	}},
	// What fills up.
	{"gin_expirable_plateau", "warm_up_plateau", func() func(int) {
		recent := expirable.NewLRU[string, string](140, nil, time.Hour)
		return serve(ginWith(func(engine *gin.Engine) {
			engine.GET("/r/:id", func(c *gin.Context) { recent.Add(c.Param("id"), fill(1500, 2500)) })
		}), 5, path)
	}},
	{"gocache_customers_plateau", "warm_up_plateau", func() func(int) {
		customers := cache.New(cache.NoExpiration, 0)
		return times(5, func(i, j int) {
			name := fmt.Sprint("customer", r.Intn(110))
			if _, known := customers.Get(name); !known {
				customers.Set(name, make([]byte, 3000), cache.NoExpiration)
			}
		})
	}},
	// What leaks.
	{"gin_copies_leak", "linear_leak", func() func(int) {
		var copies []*gin.Context
		return serve(ginWith(func(engine *gin.Engine) {
			engine.GET("/r/:id", func(c *gin.Context) { copies = append(copies, c.Copy()) })
		}), 1, path)
	}},
	{"chi_waiters_leak", "linear_leak", func() func(int) {
		// Goroutines that wait for an answer nobody gives.
		router := chi.NewRouter()
		router.Get("/r/{id}", func(w http.ResponseWriter, q *http.Request) {
			answer, order := make(chan string), &http.Request{Host: chi.URLParam(q, "id")}
			go func() { sink = order.Host + <-answer }()
		})
		return serve(router, 2, path)
	}},
	{"echo_cancels_leak", "linear_leak", func() func(int) {
		// Children of a context that lives on, never cancelled.
		app, stop := context.WithCancel(context.Background())
		_ = stop
		server := echo.New()
		server.GET("/r/:id", func(c echo.Context) error {
			child, _ := context.WithCancel(app) //nolint:all
			return c.String(200, fmt.Sprint(child.Err() == nil))
		})
		return serve(server, 3, path)
	}},
	{"prometheus_gauges_leak", "linear_leak", func() func(int) {
		gauges := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "load"}, []string{"pod"})
		return times(2, func(i, j int) { gauges.WithLabelValues(path(i, j)).Set(1) })
	}},
	{"zap_fields_leak", "linear_leak", func() func(int) {
		logger := zap.NewNop()
		logger = zap.New(logger.Core())
		var named []*zap.Logger
		return times(1, func(i, j int) { named = append(named, logger.With(zap.String("order", path(i, j)))) })
	}},
	{"logrus_hooks_leak", "linear_leak", func() func(int) {
		logger := logrus.New()
		logger.SetOutput(new(strings.Builder))
		var entries []*logrus.Entry
		return times(1, func(i, j int) { entries = append(entries, logger.WithField("order", fill(20, 60))) })
	}},
	{"btree_archive_stepwise", "stepwise_growth", func() func(int) {
		archive := btree.NewG(8, func(a, b string) bool { return a < b })
		every := 12 + r.Intn(6)
		return times(1, func(i, j int) {
			churn()
			if i%every == every-1 {
				for k := range 1500 {
					archive.ReplaceOrInsert(fmt.Sprintf("%d-%d %s", i, k, fill(30, 60)))
				}
			}
		})
	}},
	// What goes up and comes down.
	{"excelize_book_spikes", "spikes", func() func(int) {
		var book *excelize.File
		return times(1, func(i, j int) {
			book = nil
			churn()
			if r.Float64() < 0.05 {
				book = excelize.NewFile()
				for row := range 6000 {
					_ = book.SetCellValue("Sheet1", fmt.Sprintf("A%d", row+1), fill(100, 200))
				}
			}
			sink = book
		})
	}},
	{"backlog_fluctuating", "fluctuating", func() func(int) {
		var backlog []*http.Request
		phase := r.Float64() * 6
		return times(1, func(i, j int) {
			wanted := int(400 + 280*math.Sin(phase+float64(i)/8) + 90*math.Sin(phase+float64(i)/2.1))
			for len(backlog) < wanted {
				backlog = append(backlog, httptest.NewRequest("GET", path(i, len(backlog)), strings.NewReader(fill(4000, 9000))))
			}
			clear(backlog[wanted:])
			backlog = backlog[:wanted]
		})
	}},
	// Left to the collector.
	{"gin_garbage_sawtooth", "gc_sawtooth", func() func(int) {
		list = append(list, make([]byte, 6<<20))
		return serve(ginWith(func(engine *gin.Engine) {
			engine.GET("/r/:id", func(c *gin.Context) { c.JSON(200, gin.H{"id": c.Param("id"), "rows": make([]int, 2000)}) })
		}), 8, path)
	}},
	{"json_garbage_sawtooth", "gc_sawtooth", func() func(int) {
		var known any
		_ = json.Unmarshal([]byte("["+strings.Repeat(`{"a":[1,2,3]},`, 8000)+"1]"), &known)
		return times(1, func(i, j int) {
			sink = known
			churn()
			churn()
		})
	}},
	// Growth outside of the heap.
	{"mmap_pages_fragmentation", "fragmentation_or_native", func() func(int) {
		return times(1, func(i, j int) {
			size := uintptr(4096 * (60 + r.Intn(80)))
			address, _, _ := syscall.Syscall6(syscall.SYS_MMAP, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_POPULATE, ^uintptr(0), 0)
			sink = address != 0
		})
	}},
	// Too few.
	{"gin_short_insufficient", "insufficient_data", func() func(int) {
		return serve(ginWith(func(engine *gin.Engine) {
			engine.GET("/r/:id", func(c *gin.Context) { sessions[c.Param("id")] = make([]byte, 900) })
		}), 4, path)
	}},
}
