// A hub of web sockets whose writers outlive their pages: nobody closes their channel.
package main

import (
	"net/http"
	_ "net/http/pprof"
	"sync"

	"brimline.dev/programs/go/serving"
	"github.com/gorilla/websocket"
)

// Client is one open page.
type Client struct {
	connection *websocket.Conn
	send       chan []byte
}

// Hub tells every page what one of them says.
type Hub struct {
	mutex   sync.Mutex
	clients map[*Client]bool
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

// Join opens a page.
func (h *Hub) Join(w http.ResponseWriter, r *http.Request) {
	connection, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	client := &Client{connection: connection, send: make(chan []byte, 16)}
	h.mutex.Lock()
	h.clients[client] = true
	h.mutex.Unlock()
	go h.write(client)
	h.read(client)
}

func (h *Hub) read(client *Client) {
	defer client.connection.Close()
	for {
		_, message, err := client.connection.ReadMessage()
		if err != nil {
			return
		}
		h.broadcast(message)
	}
}

func (h *Hub) write(client *Client) {
	for message := range client.send {
		if client.connection.WriteMessage(websocket.TextMessage, message) != nil {
			return
		}
	}
}

func (h *Hub) broadcast(message []byte) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for client := range h.clients {
		select {
		case client.send <- message:
		default:
		}
	}
}

func main() {
	hub := &Hub{clients: map[*Client]bool{}}
	http.HandleFunc("/page", hub.Join)
	serving.Run(http.DefaultServeMux)
}
