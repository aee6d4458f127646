// A session store that forgets nothing.
package main

import (
	"net/http"
	_ "net/http/pprof"
	"sync"
	"time"

	"brimline.dev/programs/go/serving"
	"github.com/gin-gonic/gin"
)

// Session is what a user has open.
type Session struct {
	ID      string
	Payload []byte
	Seen    time.Time
}

// Store holds the sessions of all users.
type Store struct {
	mutex    sync.Mutex
	sessions map[string]*Session
}

// Open returns the session of a user, which is made at the first request.
func (s *Store) Open(id string) *Session {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	session, known := s.sessions[id]
	if !known {
		session = &Session{ID: id, Payload: make([]byte, 16<<10)}
		s.sessions[id] = session
	}
	session.Seen = time.Now()
	return session
}

func main() {
	gin.SetMode(gin.ReleaseMode)
	store := &Store{sessions: map[string]*Session{}}
	router := gin.New()
	router.GET("/session/:id", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"bytes": len(store.Open(c.Param("id")).Payload)})
	})
	router.GET("/debug/pprof/*any", gin.WrapH(http.DefaultServeMux))
	serving.Run(router)
}
