package brimline

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"
)

// base is the path that all answers lie below.
const base = "/brimline/"

// patience is how long a request may take to arrive. What it asks for may take longer.
const patience = 10 * time.Second

// answer reads one request and closes the connection behind the answer.
func answer(connection net.Conn) {
	defer connection.Close()
	_ = connection.SetReadDeadline(time.Now().Add(patience))
	reader := bufio.NewReader(io.LimitReader(connection, 1<<16))
	request, err := reader.ReadString('\n')
	if err != nil {
		return
	}
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		if strings.TrimSpace(line) == "" {
			break
		}
	}
	words := strings.Fields(request)
	if len(words) < 2 || words[0] != "GET" {
		refuse(connection, 405, "expected GET")
		return
	}
	target, err := url.ParseRequestURI(words[1])
	if err != nil || !strings.HasPrefix(target.Path, base) {
		refuse(connection, 404, "expected a path below "+base)
		return
	}
	query := target.Query()
	give(connection, strings.TrimPrefix(target.Path, base), number(query, "gc") > 0, number(query, "debug"))
}

func give(connection io.Writer, name string, collect bool, debug int) {
	var write func(io.Writer)
	switch name {
	case "memstats":
		write = writeMemStats
	case "metrics":
		write = writeMetrics
	default:
		profile := pprof.Lookup(name)
		if profile == nil {
			refuse(connection, 404, "no profile "+name)
			return
		}
		write = func(writer io.Writer) { _ = profile.WriteTo(writer, debug) }
	}
	if collect && (name == "heap" || name == "memstats") {
		runtime.GC()
	}
	fmt.Fprint(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
	writer := bufio.NewWriterSize(chunks{connection}, 1<<15)
	write(writer)
	if writer.Flush() == nil {
		// Without this end the other side knows that the program was killed meanwhile.
		fmt.Fprint(connection, "0\r\n\r\n")
	}
}

// chunks writes each piece with its length before it.
type chunks struct{ connection io.Writer }

func (c chunks) Write(piece []byte) (int, error) {
	if len(piece) == 0 {
		return 0, nil
	}
	if _, err := fmt.Fprintf(c.connection, "%x\r\n", len(piece)); err != nil {
		return 0, err
	}
	count, err := c.connection.Write(piece)
	if err == nil {
		_, err = io.WriteString(c.connection, "\r\n")
	}
	return count, err
}

func refuse(writer io.Writer, status int, reason string) {
	fmt.Fprintf(writer, "HTTP/1.0 %d refused\r\n\r\n%s\n", status, reason)
}

func number(query url.Values, name string) int {
	value, _ := strconv.Atoi(query.Get(name))
	return value
}
