// Servers whose profiles are hard to come by: ENDPOINT says how.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"
)

var kept = make([]byte, 32<<20)

// profiles are the handlers of net/http/pprof below another path.
func profiles(prefix string) http.Handler {
	mux := http.NewServeMux()
	for _, name := range []string{"heap", "allocs", "goroutine", "threadcreate"} {
		mux.Handle(prefix+"/"+name, pprof.Handler(name))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	return mux
}

func slow(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(5 * time.Second)
		handler.ServeHTTP(w, r)
	})
}

// guarded asks for a name and a password, as proxies and careful people do.
func guarded(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); name != "ops" || password != "s:cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="profiles"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// unnamed refuses requests to a host of any name, as careful servers on unix sockets do against pages in browsers.
func unnamed(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "" {
			http.Error(w, "host not allowed: "+r.Host, http.StatusForbidden)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// eat takes memory until the kernel ends it.
func eat() {
	var eaten [][]byte
	for {
		time.Sleep(100 * time.Millisecond)
		block := make([]byte, 4<<20)
		for at := 0; at < len(block); at += 4096 {
			block[at] = 1
		}
		eaten = append(eaten, block)
	}
}

func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprint(w, "<!DOCTYPE html><html><title>shop</title></html>")
}

// certificate signs itself, as in every test environment.
func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	content, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{content}, PrivateKey: key}
}

func main() {
	kept[0] = 1
	var listener net.Listener
	var err error
	if path := os.Getenv("SOCKET"); path != "" {
		listener, err = net.Listen("unix", path)
	} else {
		address := os.Getenv("ADDRESS")
		if address == "" {
			address = "127.0.0.1:0"
		}
		listener, err = net.Listen("tcp", address)
	}
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	handler := profiles("/debug/pprof")
	switch os.Getenv("ENDPOINT") {
	case "prefix":
		handler = profiles("/admin/debug/pprof")
	case "odd":
		handler = profiles("/a/b/c")
	case "slow":
		handler = slow(handler)
	case "guarded":
		handler = guarded(handler)
	case "html":
		handler = http.HandlerFunc(page)
	case "silent":
		// Accepts nothing: connections wait in the queue.
		select {}
	case "eater":
		go eat()
	case "none":
		listener.Close()
		time.Sleep(time.Hour)
	case "tls":
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	}
	if os.Getenv("SOCKET") != "" {
		handler = unnamed(handler)
	}
	panic(http.Serve(listener, handler))
}
