package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/Knetic/govaluate"
	"github.com/RoaringBitmap/roaring"
	"github.com/antchfx/xmlquery"
	eventbus "github.com/asaskevich/EventBus"
	"github.com/beevik/etree"
	"github.com/bluele/gcache"
	"github.com/cbroglie/mustache"
	"github.com/dop251/goja"
	"github.com/emicklei/go-restful/v3"
	"github.com/emirpasic/gods/maps/linkedhashmap"
	"github.com/emirpasic/gods/trees/redblacktree"
	"github.com/fxamacker/cbor/v2"
	"github.com/go-playground/validator/v10"
	"github.com/gofiber/fiber/v2"
	"github.com/google/btree"
	"github.com/graphql-go/graphql"
	"github.com/hashicorp/go-memdb"
	gometrics "github.com/hashicorp/go-metrics"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/miekg/dns"
	cmap "github.com/orcaman/concurrent-map/v2"
	"github.com/robfig/cron/v3"
	"github.com/rs/zerolog"
	"github.com/russross/blackfriday/v2"
	"github.com/tdewolff/minify/v2"
	"github.com/tdewolff/minify/v2/css"
	"github.com/urfave/negroni"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/xuri/excelize/v2"
	lua "github.com/yuin/gopher-lua"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

type invoice struct {
	ID    int     `json:"id"`
	Name  string  `json:"name" validate:"required"`
	Price float64 `json:"price" validate:"gte=0"`
}

func invoices(most int) []invoice {
	all := make([]invoice, 1+r.Intn(most))
	for n := range all {
		all[n] = invoice{n, strings.Repeat("n", 1+r.Intn(50)), r.Float64()}
	}
	return all
}

func fill(low, high int) string { return strings.Repeat("z", low+r.Intn(high-low)) }

func fibered(times int, handle func(c *fiber.Ctx) error) func() func(int) {
	return func() func(int) {
		app := fiber.New(fiber.Config{DisableStartupMessage: true})
		app.Get("/r/:id", handle)
		return func(i int) {
			for j := range times {
				answer, err := app.Test(httptest.NewRequest("GET", path(i, j), nil), -1)
				if err == nil {
					answer.Body.Close()
				}
			}
		}
	}
}

func restServed(times int, handle func(q *restful.Request, w *restful.Response)) func() func(int) {
	return func() func(int) {
		service := new(restful.WebService)
		service.Route(service.GET("/r/{id}").To(handle))
		box := restful.NewContainer()
		box.Add(service)
		return serve(box, times, path)
	}
}

// Programs that were held out until the code was frozen, then judged once.
var secondLookPrograms = []program{
	{"fiber_steady", "steady", fibered(6, func(c *fiber.Ctx) error { return c.JSON(invoices(12)) })},
	{"fiber_visits_leak", "linear_leak", func() func(int) {
		visits := map[string]string{}
		return fibered(3, func(c *fiber.Ctx) error {
			visits[strings.Clone(c.Params("id"))] = fill(200, 400)
			return c.SendString("ok")
		})()
	}},
	{"restful_steady", "steady", restServed(8, func(q *restful.Request, w *restful.Response) { w.WriteAsJson(invoices(12)) })},
	{"restful_audit_leak", "linear_leak", func() func(int) {
		var audit []*invoice
		return restServed(4, func(q *restful.Request, w *restful.Response) {
			audit = append(audit, &invoice{Name: q.PathParameter("id") + fill(100, 300)})
		})()
	}},
	{"negroni_steady", "steady", func() func(int) {
		app := negroni.New(negroni.NewRecovery())
		app.UseHandlerFunc(func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, q.URL.Path, fill(1, 900)) })
		return serve(app, 10, path)
	}},
	{"graphql_steady", "steady", func() func(int) {
		row := graphql.NewObject(graphql.ObjectConfig{Name: "Row", Fields: graphql.Fields{
			"id": {Type: graphql.Int}, "name": {Type: graphql.String},
		}})
		schema, _ := graphql.NewSchema(graphql.SchemaConfig{Query: graphql.NewObject(graphql.ObjectConfig{Name: "Query", Fields: graphql.Fields{
			"rows": {Type: graphql.NewList(row), Resolve: func(graphql.ResolveParams) (any, error) { return invoices(30), nil }},
		}})})
		return func(int) { sink = graphql.Do(graphql.Params{Schema: schema, RequestString: "{ rows { id name } }"}) }
	}},
	{"toml_steady", "steady", func() func(int) {
		return func(int) {
			var out bytes.Buffer
			_ = toml.NewEncoder(&out).Encode(map[string]any{"orders": invoices(30)})
			var back map[string]any
			_ = toml.Unmarshal(out.Bytes(), &back)
			sink = back
		}
	}},
	{"govaluate_steady", "steady", func() func(int) {
		return func(int) {
			for range 8 {
				rule, _ := govaluate.NewEvaluableExpression(fmt.Sprintf("price * %d > total - %d", r.Intn(99), r.Intn(99)))
				sink, _ = rule.Evaluate(map[string]any{"price": r.Float64(), "total": r.Float64()})
			}
		}
	}},
	{"roaring_steady", "steady", func() func(int) {
		return func(int) {
			set := roaring.New()
			for range r.Intn(3000) {
				set.Add(uint32(r.Intn(1 << 22)))
			}
			sink, _ = set.ToBytes()
		}
	}},
	{"xmlquery_steady", "steady", func() func(int) {
		return func(int) {
			page, _ := xmlquery.Parse(strings.NewReader("<a>" + strings.Repeat("<b>x</b>", 1+r.Intn(90)) + "</a>"))
			sink = xmlquery.Find(page, "//b")
		}
	}},
	{"etree_steady", "steady", func() func(int) {
		return func(int) {
			page := etree.NewDocument()
			root := page.CreateElement("orders")
			for _, one := range invoices(60) {
				root.CreateElement("order").CreateAttr("name", one.Name)
			}
			sink, _ = page.WriteToString()
		}
	}},
	{"mustache_steady", "steady", func() func(int) {
		page, _ := mustache.ParseString("{{#rows}}<li>{{Name}}</li>{{/rows}}")
		return func(int) { sink, _ = page.Render(map[string]any{"rows": invoices(40)}) }
	}},
	{"goja_steady", "steady", func() func(int) {
		vm := goja.New()
		_, _ = vm.RunString("function price(n) { const a = []; for (let i = 0; i < n; i++) a.push({ i }); return a.length }")
		price, _ := goja.AssertFunction(vm.Get("price"))
		return func(int) { sink, _ = price(goja.Undefined(), vm.ToValue(r.Intn(300))) }
	}},
	{"lua_steady", "steady", func() func(int) {
		vm := lua.NewState()
		_ = vm.DoString("function price(n) local a = {} for i = 1, n do a[i] = { i } end return #a end")
		return func(int) {
			_ = vm.CallByParam(lua.P{Fn: vm.GetGlobal("price"), NRet: 1, Protect: true}, lua.LNumber(r.Intn(300)))
			vm.Pop(1)
		}
	}},
	{"cbor_steady", "steady", func() func(int) {
		return func(int) {
			packed, _ := cbor.Marshal(invoices(80))
			var back []invoice
			_ = cbor.Unmarshal(packed, &back)
			sink = back
		}
	}},
	{"msgpack_steady", "steady", func() func(int) {
		return func(int) {
			packed, _ := msgpack.Marshal(invoices(80))
			var back []invoice
			_ = msgpack.Unmarshal(packed, &back)
			sink = back
		}
	}},
	{"validator_steady", "steady", func() func(int) {
		check := validator.New()
		return func(int) {
			for _, one := range invoices(60) {
				sink = check.Struct(one)
			}
		}
	}},
	{"dns_steady", "steady", func() func(int) {
		return func(int) {
			for range 10 {
				question := new(dns.Msg).SetQuestion(fmt.Sprintf("host%d.example.org.", r.Intn(1e6)), dns.TypeA)
				packed, _ := question.Pack()
				_ = new(dns.Msg).Unpack(packed)
			}
		}
	}},
	{"zerolog_steady", "steady", func() func(int) {
		log := zerolog.New(nowhere{})
		return func(i int) {
			for _, one := range invoices(40) {
				log.Info().Int("order", i).Str("name", one.Name).Msg("paid")
			}
		}
	}},
	{"blackfriday_steady", "steady", func() func(int) {
		return func(int) {
			sink = blackfriday.Run([]byte("# Orders\n\n" + strings.Repeat("- *item* x\n", 1+r.Intn(60))))
		}
	}},
	{"minify_steady", "steady", func() func(int) {
		m := minify.New()
		m.AddFunc("text/css", css.Minify)
		return func(int) {
			sink, _ = m.String("text/css", strings.Repeat("a { color: red; margin: 0 0 0 0 }\n", 1+r.Intn(80)))
		}
	}},

	{"gcache_lru_plateau", "warm_up_plateau", func() func(int) {
		cache := gcache.New(300).LRU().Build()
		return func(i int) {
			for j := range 8 {
				_ = cache.Set(path(i, j), fill(500, 900))
			}
		}
	}},
	{"expirable_lru_plateau", "warm_up_plateau", func() func(int) {
		cache := expirable.NewLRU[string, string](250, nil, time.Hour)
		return func(i int) {
			for j := range 2 + r.Intn(9) {
				cache.Add(path(i, j), fill(400, 1200))
			}
		}
	}},
	{"memdb_window_plateau", "warm_up_plateau", func() func(int) {
		db, _ := memdb.NewMemDB(&memdb.DBSchema{Tables: map[string]*memdb.TableSchema{"order": {Name: "order", Indexes: map[string]*memdb.IndexSchema{
			"id": {Name: "id", Unique: true, Indexer: &memdb.IntFieldIndex{Field: "ID"}},
		}}}})
		next := 0
		return func(int) {
			tx := db.Txn(true)
			for range 6 {
				_ = tx.Insert("order", &invoice{ID: next, Name: fill(300, 900)})
				if next >= 240 {
					_, _ = tx.DeleteAll("order", "id", next-240)
				}
				next++
			}
			tx.Commit()
		}
	}},
	{"linkedhashmap_ring_plateau", "warm_up_plateau", func() func(int) {
		ring := linkedhashmap.New()
		return func(i int) {
			for j := range 7 {
				ring.Put(path(i, j), fill(600, 700))
				if ring.Size() > 350 {
					ring.Remove(ring.Keys()[0])
				}
			}
		}
	}},
	{"gobtree_window_plateau", "warm_up_plateau", func() func(int) {
		tree := btree.NewG(16, func(a, b invoice) bool { return a.ID < b.ID })
		next := 0
		return func(int) {
			for range 9 {
				next++
				tree.ReplaceOrInsert(invoice{ID: next, Name: fill(300, 800)})
				if tree.Len() > 300 {
					tree.DeleteMin()
				}
			}
		}
	}},

	{"cron_entries_leak", "linear_leak", func() func(int) {
		jobs := cron.New()
		return func(i int) { _, _ = jobs.AddFunc("0 3 * * *", func() { sink = i }) }
	}},
	{"eventbus_handlers_leak", "linear_leak", func() func(int) {
		bus := eventbus.New()
		return func(i int) {
			for range 2 {
				own := fill(100, 300)
				_ = bus.Subscribe("logout", func(int) { sink = own })
			}
		}
	}},
	{"memdb_insert_leak", "linear_leak", func() func(int) {
		db, _ := memdb.NewMemDB(&memdb.DBSchema{Tables: map[string]*memdb.TableSchema{"order": {Name: "order", Indexes: map[string]*memdb.IndexSchema{
			"id": {Name: "id", Unique: true, Indexer: &memdb.IntFieldIndex{Field: "ID"}},
		}}}})
		next := 0
		return func(int) {
			tx := db.Txn(true)
			for range 2 {
				_ = tx.Insert("order", &invoice{ID: next, Name: fill(50, 150)})
				next++
			}
			tx.Commit()
		}
	}},
	{"cmap_sessions_leak", "linear_leak", func() func(int) {
		sessions := cmap.New[*invoice]()
		return func(i int) {
			for j := range 3 {
				sessions.Set(path(i, j), &invoice{Name: fill(50, 350)})
			}
		}
	}},
	{"otel_spans_leak", "linear_leak", func() func(int) {
		tracer := trace.NewTracerProvider(trace.WithSyncer(tracetest.NewInMemoryExporter())).Tracer("shop")
		return func(i int) {
			_, span := tracer.Start(context.Background(), "order")
			span.SetAttributes(attribute.String("note", fill(50, 150)))
			span.End()
		}
	}},
	{"redblacktree_index_leak", "linear_leak", func() func(int) {
		tree := redblacktree.NewWithIntComparator()
		return func(i int) {
			for j := range 2 {
				tree.Put(i*2+j, fill(20, 60))
			}
		}
	}},
	{"metrics_names_leak", "linear_leak", func() func(int) {
		memory := gometrics.NewInmemSink(time.Hour, time.Hour)
		return func(i int) { memory.IncrCounter([]string{"hits", fmt.Sprint(i)}, 1) }
	}},
	{"timer_context_leak", "linear_leak", func() func(int) {
		return func(i int) {
			for range 2 {
				c, cancel := context.WithTimeout(context.Background(), time.Hour)
				own := fill(100, 200)
				context.AfterFunc(c, func() { cancel(); sink = own })
			}
		}
	}},

	{"roaring_batches_stepwise", "stepwise_growth", func() func(int) {
		var kept []*roaring.Bitmap
		return func(i int) {
			churn()
			if i%17 == 8 {
				set := roaring.New()
				for range 20000 {
					set.Add(uint32(r.Intn(1 << 24)))
				}
				kept = append(kept, set)
			}
		}
	}},
	{"excelize_export_spikes", "spikes", func() func(int) {
		var book *excelize.File
		return func(i int) {
			book = nil
			churn()
			if i == 40 || r.Intn(20) == 0 {
				book = excelize.NewFile()
				for n := 1; n < 1500; n++ {
					_ = book.SetCellStr("Sheet1", fmt.Sprintf("A%d", n), fill(10, 30))
				}
			}
		}
	}},
	{"hashset_load_fluctuating", "fluctuating", func() func(int) {
		online := cmap.New[string]()
		next, first := 0, 0
		return func(i int) {
			wanted := 900 + int(700*math.Sin(float64(i)/13)) + r.Intn(60)
			for ; next-first < wanted; next++ {
				online.Set(fmt.Sprint(next), fill(400, 1200))
			}
			for ; next-first > wanted; first++ {
				online.Remove(fmt.Sprint(first))
			}
		}
	}},
}

type nowhere struct{}

func (nowhere) Write(line []byte) (int, error) { return len(line), nil }
