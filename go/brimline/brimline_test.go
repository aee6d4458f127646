package brimline

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// ask sends one request to a listener that answers as init would have it.
func ask(t *testing.T, path, request string) (status, body string) {
	t.Helper()
	connection, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, request+"\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil {
		t.Fatalf("%v in %q", err, answer)
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%v in %q", err, answer)
	}
	return response.Status, string(content)
}

func start(t *testing.T, folder string) string {
	t.Helper()
	listener, err := listen(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go serve(listener)
	return listener.Addr().String()
}

func TestServesProfilesAndMetrics(t *testing.T) {
	socket := start(t, t.TempDir())
	for _, name := range []string{"heap", "heap?gc=1", "goroutine", "goroutine?debug=2", "allocs", "memstats?gc=1"} {
		status, body := ask(t, socket, "GET /brimline/"+name+" HTTP/1.1")
		if !strings.HasPrefix(status, "200") || body == "" {
			t.Errorf("%s: %q, %d bytes", name, status, len(body))
		}
	}
	_, body := ask(t, socket, "GET /brimline/memstats HTTP/1.1")
	for _, line := range []string{"# runtime.MemStats", "# HeapAlloc = ", "# Stack = ", "# GCCPUFraction = ", "# PauseNs = ["} {
		if !strings.Contains(body, line) {
			t.Errorf("expected %q in the statistics, found\n%s", line, body)
		}
	}
	_, body = ask(t, socket, "GET /brimline/metrics HTTP/1.1")
	var answer struct {
		Version string
		Metrics map[string]float64
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	if answer.Metrics["/memory/classes/total:bytes"] <= 0 || !strings.HasPrefix(answer.Version, "go") {
		t.Errorf("found %v", answer)
	}
}

func TestRefusesWhatItDoesNotKnow(t *testing.T) {
	socket := start(t, t.TempDir())
	for request, expected := range map[string]string{
		"GET /brimline/nothing HTTP/1.1": "404",
		"GET /etc/passwd HTTP/1.1":       "404",
		"POST /brimline/heap HTTP/1.1":   "405",
		"hello":                          "405",
	} {
		if status, _ := ask(t, socket, request); !strings.HasPrefix(status, expected) {
			t.Errorf("%s: expected %s, found %q", request, expected, status)
		}
	}
}

func TestListensInFoldersWithLongPaths(t *testing.T) {
	folder := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := listen(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if found, _ := filepath.Glob(filepath.Join(folder, "*.sock")); len(found) != 1 {
		t.Fatalf("expected one socket, found %v", found)
	}
}

func TestEndKeepsACapture(t *testing.T) {
	captures := t.TempDir()
	t.Setenv(capturesVariable, captures)
	End()
	folders, _ := filepath.Glob(filepath.Join(captures, "end-*"))
	if len(folders) != 1 {
		t.Fatalf("expected one folder, found %v", folders)
	}
	for _, name := range []string{
		"memstats-before.txt", "status.txt", "smaps.txt", "memstats.txt", "heap.pb.gz", "goroutine.pb.gz", "goroutines.txt",
	} {
		if file, err := os.Stat(filepath.Join(folders[0], name)); err != nil || file.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	version, err := os.ReadFile(filepath.Join(folders[0], "complete"))
	if err != nil || !strings.HasPrefix(string(version), runtime.Version()) {
		t.Errorf("found %q, %v", version, err)
	}
	t.Setenv(capturesVariable, "")
	End()
}
