// The same session store with room for the latest hundred.
package main

import (
	"container/list"
	"net/http"
	_ "net/http/pprof"
	"sync"
	"time"

	"brimline.dev/programs/go/serving"
	"github.com/gin-gonic/gin"
)

const room = 100

// Session is what a user has open.
type Session struct {
	ID      string
	Payload []byte
	Seen    time.Time
}

// Store holds the sessions of the latest users.
type Store struct {
	mutex    sync.Mutex
	sessions map[string]*list.Element
	order    *list.List
}

// Open returns the session of a user, which is made at the first request; the one not used for longest makes room.
func (s *Store) Open(id string) *Session {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	element, known := s.sessions[id]
	if !known {
		element = s.order.PushFront(&Session{ID: id, Payload: make([]byte, 16<<10)})
		s.sessions[id] = element
		if s.order.Len() > room {
			oldest := s.order.Remove(s.order.Back()).(*Session)
			delete(s.sessions, oldest.ID)
		}
	}
	s.order.MoveToFront(element)
	session := element.Value.(*Session)
	session.Seen = time.Now()
	return session
}

func main() {
	gin.SetMode(gin.ReleaseMode)
	store := &Store{sessions: map[string]*list.Element{}, order: list.New()}
	router := gin.New()
	router.GET("/session/:id", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"bytes": len(store.Open(c.Param("id")).Payload)})
	})
	router.GET("/debug/pprof/*any", gin.WrapH(http.DefaultServeMux))
	serving.Run(router)
}
