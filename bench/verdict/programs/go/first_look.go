package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/coocood/freecache"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/expr-lang/expr"
	"github.com/flosch/pongo2/v6"
	grouplru "github.com/golang/groupcache/lru"
	"github.com/jellydator/ttlcache/v3"
	"github.com/julienschmidt/httprouter"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/tidwall/btree"
	"github.com/tidwall/gjson"
	"github.com/valyala/fasthttp"
	"github.com/yuin/goldmark"
	"go.uber.org/zap"
	"gopkg.in/yaml.v3"
)

func words(most int) string { return strings.Repeat("word ", 1+r.Intn(most)) }

type order struct {
	id   int
	body []byte
}

var orders []*order
var attempts = map[string]*order{}

func routed(handle httprouter.Handle) func() func(int) {
	return func() func(int) {
		app := httprouter.New()
		app.GET("/r/:id", handle)
		return serve(app, 9, path)
	}
}

// Programs that were held out until their verdicts were first looked at.
var firstLookPrograms = []program{
	{"httprouter_steady", "steady", routed(func(w http.ResponseWriter, q *http.Request, p httprouter.Params) {
		fmt.Fprint(w, p.ByName("id"), words(200))
	})},
	{"httprouter_attempts_leak", "linear_leak", routed(func(w http.ResponseWriter, q *http.Request, p httprouter.Params) {
		attempts[p.ByName("id")] = &order{id: len(attempts), body: make([]byte, 200)}
	})},
	{"fasthttp_steady", "steady", func() func(int) {
		handler := func(c *fasthttp.RequestCtx) { c.SetBodyString(string(c.Path()) + words(300)) }
		return func(i int) {
			for j := 0; j < 12; j++ {
				var c fasthttp.RequestCtx
				c.Request.SetRequestURI(path(i, j))
				handler(&c)
			}
		}
	}},
	{"fasthttp_history_leak", "linear_leak", func() func(int) {
		handler := func(c *fasthttp.RequestCtx) {
			orders = append(orders, &order{id: len(orders), body: append([]byte(nil), c.Path()...)})
			orders[len(orders)-1].body = append(orders[len(orders)-1].body, make([]byte, 300)...)
		}
		return func(i int) {
			for j := 0; j < 5; j++ {
				var c fasthttp.RequestCtx
				c.Request.SetRequestURI(path(i, j))
				handler(&c)
			}
		}
	}},
	{"prometheus_label_leak", "linear_leak", func() func(int) {
		hits := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hits"}, []string{"user"})
		return func(i int) {
			for j := 0; j < 4; j++ {
				hits.WithLabelValues(path(i, j)).Inc()
			}
		}
	}},
	{"prometheus_steady", "steady", func() func(int) {
		registry := prometheus.NewRegistry()
		took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "took"}, []string{"code"})
		registry.MustRegister(took)
		return func(int) {
			for j := 0; j < 60; j++ {
				took.WithLabelValues([]string{"200", "404", "500"}[r.Intn(3)]).Observe(r.Float64())
			}
			sink, _ = registry.Gather()
		}
	}},
	{"ristretto_plateau", "warm_up_plateau", func() func(int) {
		cache, err := ristretto.NewCache(&ristretto.Config[int, []byte]{NumCounters: 5000, MaxCost: 600, BufferItems: 64})
		if err != nil {
			panic(err)
		}
		return func(int) {
			for j := 0; j < 12; j++ {
				cache.Set(r.Intn(1e9), make([]byte, 1400), 1)
			}
			cache.Wait()
		}
	}},
	{"groupcache_lru_plateau", "warm_up_plateau", func() func(int) {
		cache := grouplru.New(400)
		return func(int) {
			for j := 0; j < 10; j++ {
				cache.Add(r.Intn(1e9), make([]byte, 1024))
			}
		}
	}},
	{"ttlcache_leak", "linear_leak", func() func(int) {
		cache := ttlcache.New[string, []byte]()
		return func(i int) {
			for j := 0; j < 3; j++ {
				cache.Set(path(i, j), make([]byte, 400), ttlcache.NoTTL)
			}
		}
	}},
	{"freecache_steady", "warm_up_plateau", func() func(int) {
		cache := freecache.NewCache(2 << 20)
		return func(i int) {
			for j := 0; j < 100; j++ {
				_ = cache.Set([]byte(path(i, j)), make([]byte, r.Intn(900)), 0)
			}
		}
	}},
	{"gjson_steady", "steady", func() func(int) {
		return func(int) {
			text := `{"rows":[` + strings.TrimSuffix(strings.Repeat(`{"a":1},`, 1+r.Intn(200)), ",") + `]}`
			sink = gjson.Get(text, "rows.#.a").Array()
		}
	}},
	{"goldmark_steady", "steady", func() func(int) {
		return func(int) {
			var out bytes.Buffer
			_ = goldmark.Convert([]byte("# T\n\n"+strings.Repeat("* some **bold** `code`\n", 1+r.Intn(60))), &out)
			sink = out.Len()
		}
	}},
	{"btree_index_leak", "linear_leak", func() func(int) {
		var index btree.Map[int, *order]
		return func(i int) {
			for j := 0; j < 4; j++ {
				index.Set(i*4+j, &order{i, make([]byte, 256)})
			}
		}
	}},
	{"btree_window_plateau", "warm_up_plateau", func() func(int) {
		var index btree.Map[int, []byte]
		next := 0
		return func(int) {
			for j := 0; j < 8; j++ {
				index.Set(next, make([]byte, 1800))
				next++
			}
			for index.Len() > 320 {
				index.PopMin()
			}
		}
	}},
	{"logrus_steady", "steady", func() func(int) {
		log := logrus.New()
		log.SetOutput(io.Discard)
		return func(i int) {
			for j := 0; j < 40; j++ {
				log.WithFields(logrus.Fields{"i": i, "text": words(60)}).Info("order")
			}
		}
	}},
	{"logrus_hook_leak", "linear_leak", func() func(int) {
		log := logrus.New()
		log.SetOutput(io.Discard)
		keep := &keeper{}
		log.AddHook(keep)
		return func(i int) {
			for j := 0; j < 2; j++ {
				log.WithField("body", make([]byte, 200)).Info("order")
			}
		}
	}},
	{"zap_steady", "steady", func() func(int) {
		log := zap.NewNop()
		return func(i int) {
			for j := 0; j < 50; j++ {
				log.With(zap.Int("i", i), zap.String("text", words(90))).Info("order")
			}
		}
	}},
	{"yaml_steady", "steady", func() func(int) {
		return func(int) {
			var out map[string]int
			_ = yaml.Unmarshal([]byte(strings.Repeat("k: 1\n", 1)+fmt.Sprintf("z%d: 2\n", r.Intn(99))), &out)
			sink, _ = yaml.Marshal(out)
		}
	}},
	{"goquery_steady", "steady", func() func(int) {
		return func(int) {
			page, _ := goquery.NewDocumentFromReader(strings.NewReader("<ul>" + strings.Repeat("<li>a</li>", 1+r.Intn(150)) + "</ul>"))
			sink = page.Find("li").Length()
		}
	}},
	{"expr_steady", "steady", func() func(int) {
		return func(i int) {
			program, _ := expr.Compile(fmt.Sprintf("a + %d", i))
			sink, _ = expr.Run(program, map[string]any{"a": i})
		}
	}},
	{"pongo_steady", "steady", func() func(int) {
		page := pongo2.Must(pongo2.FromString("{% for r in rows %}<li>{{ r }}</li>{% endfor %}"))
		return func(int) { sink, _ = page.Execute(pongo2.Context{"rows": make([]int, r.Intn(200))}) }
	}},
	{"pongo_cache_stepwise", "stepwise_growth", func() func(int) {
		return func(i int) {
			churn()
			if i%25 == 24 {
				for j := 0; j < 40; j++ {
					orders = append(orders, &order{j, make([]byte, 4096)})
				}
				sink = pongo2.Must(pongo2.FromString("{{ a }}"))
			}
		}
	}},
	{"worker_pool_leak", "linear_leak", func() func(int) {
		return func(int) {
			for j := 0; j < 2; j++ {
				jobs := make(chan *order)
				go func() {
					held := make([]byte, 700)
					for job := range jobs {
						held = append(held, job.body...)
					}
				}()
				jobs <- &order{j, make([]byte, 50)}
			}
			time.Sleep(time.Millisecond)
		}
	}},
	{"batch_fluctuating", "fluctuating", func() func(int) {
		return func(i int) {
			wanted := int(600 + 420*math.Sin(float64(i)/11))
			for len(orders) < wanted {
				orders = append(orders, &order{i, make([]byte, 1500)})
			}
			for k := wanted; k < len(orders); k++ {
				orders[k] = nil
			}
			orders = orders[:wanted]
		}
	}},
	{"export_spikes", "spikes", func() func(int) {
		return func(int) {
			orders = nil
			if r.Float64() < 0.05 {
				orders = []*order{{1, make([]byte, 2_400_000)}}
			}
		}
	}},
}

type keeper struct{ entries []*logrus.Entry }

func (k *keeper) Levels() []logrus.Level { return logrus.AllLevels }

func (k *keeper) Fire(entry *logrus.Entry) error {
	k.entries = append(k.entries, entry)
	return nil
}
