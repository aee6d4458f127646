package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-playground/validator/v10"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"
	"github.com/tidwall/gjson"
	"github.com/vmihailenco/msgpack/v5"
	"go.uber.org/zap"
	"gopkg.in/yaml.v3"
)

// Programs written after the fourth look, judged once by the code as it stands.
var fifthLookPrograms = []program{
	{"gin_tables_steady", "steady", func() func(int) {
		return serve(ginWith(func(engine *gin.Engine) {
			engine.GET("/r/:id", func(c *gin.Context) { c.JSON(200, make([]int, 1+r.Intn(900))) })
		}), 4, path)
	}},
	{"echo_middleware_steady", "steady", func() func(int) {
		server := echo.New()
		server.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error { c.Set("order", fill(1, 900)); return next(c) }
		})
		server.GET("/r/:id", func(c echo.Context) error { return c.String(200, c.Get("order").(string)) })
		return serve(server, 4, path)
	}},
	{"validator_orders_steady", "steady", func() func(int) {
		check := validator.New()
		type order struct {
			Name  string `validate:"max=40"`
			Count int    `validate:"gte=0"`
		}
		return times(8, func(i, j int) { sink = check.Struct(order{fill(1, 90), r.Intn(20) - 9}) })
	}},
	{"gjson_query_steady", "steady", func() func(int) {
		return times(8, func(i, j int) { sink = gjson.Get(`{"a":["`+fill(1, 900)+`"]}`, "a.0").String() })
	}},
	{"yaml_files_steady", "steady", func() func(int) {
		return times(2, func(i, j int) {
			var read any
			_ = yaml.Unmarshal([]byte(strings.Repeat("- name: x\n", 1+r.Intn(60))), &read)
		})
	}},
	{"mux_window_plateau", "warm_up_plateau", func() func(int) {
		router, window := mux.NewRouter(), make([][]byte, 0, 128)
		router.HandleFunc("/r/{id}", func(w http.ResponseWriter, q *http.Request) {
			window = append(window, make([]byte, 2500))
			if len(window) == cap(window) {
				window = append(window[:0], window[1:]...)
			}
		})
		return serve(router, 4, path)
	}},
	{"gin_orders_leak", "linear_leak", func() func(int) {
		return serve(ginWith(func(engine *gin.Engine) {
			engine.GET("/r/:id", func(c *gin.Context) { sessions[c.Param("id")] = make([]byte, 40) })
		}), 2, path)
	}},
	{"echo_errors_leak", "linear_leak", func() func(int) {
		server, failures := echo.New(), errors.New("first")
		server.GET("/r/:id", func(c echo.Context) error {
			failures = errors.Join(fmt.Errorf("order %s", c.Param("id")), failures)
			return c.NoContent(204)
		})
		return serve(server, 1, path)
	}},
	{"zap_loggers_leak", "linear_leak", func() func(int) {
		root := zap.NewExample(zap.IncreaseLevel(zap.FatalLevel))
		loggers := map[string]*zap.Logger{}
		return times(1, func(i, j int) { loggers[path(i, j)] = root.Named(path(i, j)) })
	}},
	{"tickers_leak", "linear_leak", func() func(int) {
		var tickers []*time.Ticker
		return times(2, func(i, j int) { tickers = append(tickers, time.NewTicker(time.Hour)) })
	}},
	{"msgpack_inbox_leak", "linear_leak", func() func(int) {
		var inbox []json.RawMessage
		return times(1, func(i, j int) {
			packed, _ := msgpack.Marshal(map[string]any{"order": fill(20, 90)})
			inbox = append(inbox, packed)
		})
	}},
	{"validator_types_stepwise", "stepwise_growth", func() func(int) {
		var days []map[string]string
		every := 9 + r.Intn(5)
		return times(1, func(i, j int) {
			churn()
			if i%every == 0 {
				day := map[string]string{}
				for k := range 900 {
					day[fmt.Sprint(i, k)] = fill(30, 60)
				}
				days = append(days, day)
			}
		})
	}},
}
