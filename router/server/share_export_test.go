package server

// Waiting gives how many requests wait for the answer to another.
func (s *Server) Waiting() int {
	h := s.engine.Load().sharing
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, f := range h.by {
		n += f.waiters
	}
	return n
}
