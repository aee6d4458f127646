package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"text/template"

	"github.com/RoaringBitmap/roaring"
	"github.com/dop251/goja"
	"github.com/emirpasic/gods/lists/arraylist"
	"github.com/emirpasic/gods/maps/treemap"
	"github.com/emirpasic/gods/queues/circularbuffer"
	"github.com/emirpasic/gods/sets/linkedhashset"
	"github.com/go-resty/resty/v2"
	"github.com/panjf2000/ants/v2"
	"github.com/spf13/viper"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

func times(count int, act func(i, j int)) func(i int) {
	return func(i int) {
		for j := range count {
			act(i, j)
		}
	}
}

// Programs written after the second look, judged once by the code as it stands.
var thirdLookPrograms = []program{
	{"structpb_steady", "steady", func() func(int) {
		return times(3, func(i, j int) {
			value, _ := structpb.NewStruct(map[string]any{"name": fill(1, 200), "n": r.Float64()})
			packed, _ := proto.Marshal(value)
			_ = proto.Unmarshal(packed, new(structpb.Struct))
		})
	}},
	{"viper_steady", "steady", func() func(int) {
		return times(1, func(i, j int) {
			v := viper.New()
			v.SetConfigType("yaml")
			_ = v.ReadConfig(strings.NewReader("name: " + fill(1, 60) + "\nprice: 3\n"))
			sink = v.GetInt("price")
		})
	}},
	{"ants_steady", "steady", func() func(int) {
		pool, _ := ants.NewPool(4)
		return times(10, func(i, j int) {
			done := make(chan int)
			size := 1 + r.Intn(3000)
			_ = pool.Submit(func() { done <- len(make([]byte, size)) })
			<-done
		})
	}},
	{"resty_steady", "steady", func() func(int) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, q.URL.Path) }))
		client := resty.New()
		return times(3, func(i, j int) { sink, _ = client.R().Get(server.URL + path(i, j)) })
	}},
	{"template_steady", "steady", func() func(int) {
		page := template.Must(template.New("x").Parse("{{range .}}<li>{{.Name}}</li>{{end}}"))
		return times(2, func(i, j int) {
			var out bytes.Buffer
			_ = page.Execute(&out, invoices(30))
		})
	}},
	{"csv_steady", "steady", func() func(int) {
		return times(2, func(i, j int) {
			sink, _ = csv.NewReader(strings.NewReader(strings.Repeat("a,b,c\n", 1+r.Intn(200)))).ReadAll()
		})
	}},
	{"treemap_steady", "steady", func() func(int) {
		return times(1, func(i, j int) {
			tree := treemap.NewWithIntComparator()
			for range r.Intn(400) {
				tree.Put(r.Intn(1e6), i)
			}
			sink = tree.Size()
		})
	}},
	{"circular_plateau", "warm_up_plateau", func() func(int) {
		ring := circularbuffer.New(260)
		return times(7, func(i, j int) { ring.Enqueue(fill(500, 900)) })
	}},
	{"linkedhashset_plateau", "warm_up_plateau", func() func(int) {
		seen := linkedhashset.New()
		first := 0
		return times(6, func(i, j int) {
			seen.Add(fmt.Sprintf("%d %s", i*6+j, fill(400, 500)))
			first++
			if seen.Size() > 210 {
				it := seen.Iterator()
				it.First()
				seen.Remove(it.Value())
			}
		})
	}},
	{"arraylist_leak", "linear_leak", func() func(int) {
		all := arraylist.New()
		return times(2, func(i, j int) { all.Add(fill(60, 160)) })
	}},
	{"roaring_sets_leak", "linear_leak", func() func(int) {
		var sets []*roaring.Bitmap
		return times(1, func(i, j int) { sets = append(sets, roaring.BitmapOf(uint32(i), uint32(i*70000))) })
	}},
	{"goja_globals_leak", "linear_leak", func() func(int) {
		vm := goja.New()
		_, _ = vm.RunString("const all = []; function add(n) { all.push({ n, note: 'order ' + n }) }")
		add, _ := goja.AssertFunction(vm.Get("add"))
		return times(2, func(i, j int) { _, _ = add(goja.Undefined(), vm.ToValue(i)) })
	}},
	{"viper_keys_leak", "linear_leak", func() func(int) {
		v := viper.New()
		return times(1, func(i, j int) { v.Set(fmt.Sprintf("order%d", i), fill(30, 90)) })
	}},
}
