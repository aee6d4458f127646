// Package brimline lets the command brimline capture a program that serves no profiles itself.
//
// Import it for its side effect:
//
//	import _ "github.com/brimline/brimline/go/brimline"
//
// In a program that was started by `brimline run` it serves the runtime's profiles and metrics on a unix socket in the
// folder of the run, which only the same user can reach. Otherwise it does nothing: no socket, no goroutine, no
// allocation that stays. It does not import net/http, so nothing is added to the program's own handlers.
package brimline

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// socketsVariable names the folder for sockets; brimline sets it.
const socketsVariable = "BRIMLINE_GO_SOCKETS"

func init() {
	folder := os.Getenv(socketsVariable)
	if folder == "" {
		return
	}
	// Whatever goes wrong here is brimline's to tell: the program must run as it would without.
	if listener, err := listen(folder); err == nil {
		go serve(listener)
	}
}

// listen opens the socket that is named for this process. Addresses of sockets hold 107 bytes, so a longer path is
// reached through the descriptor of its folder.
func listen(folder string) (net.Listener, error) {
	name := strconv.Itoa(os.Getpid()) + ".sock"
	path := filepath.Join(folder, name)
	if len(path) > 107 {
		directory, err := os.Open(folder)
		if err != nil {
			return nil, err
		}
		defer directory.Close()
		path = filepath.Join("/proc/self/fd", strconv.FormatUint(uint64(directory.Fd()), 10), name)
	}
	// Left by a process of the same id, in a container that was started again.
	_ = os.Remove(path)
	return net.Listen("unix", path)
}

func serve(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go answer(connection)
	}
}
