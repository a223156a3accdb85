package cost

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// shapes are the objects of an operation's answers, found as answers are measured.
type shapes struct {
	mu    sync.Mutex
	byKey map[string]*shape
}

// shape is what may stand at one place of an answer. Where the answer does not say of which type an object is, the dearest
// of the possible ones counts.
type shape struct {
	program *Program
	nodes   []*node
	sets    []typed
	weight  float64
	charged bool // whether what is given to its arguments weighs anything

	once     sync.Once
	children map[string]*shape
	names    map[string]bool // response keys of __typename
	byType   map[string]*shape
}

// shape returns the shape of what some fields lead to.
func (p *Program) shape(nodes []*node) *shape {
	var key strings.Builder
	for _, n := range nodes {
		fmt.Fprintf(&key, "%p ", n)
	}
	p.shapes.mu.Lock()
	defer p.shapes.mu.Unlock()
	if known := p.shapes.byKey[key.String()]; known != nil {
		return known
	}
	s := &shape{program: p, nodes: nodes}
	for _, n := range nodes {
		if len(n.sets) == 0 {
			s.weight = max(s.weight, n.def.weight)
		}
		for _, t := range n.sets {
			s.weight, s.sets = max(s.weight, t.weight), append(s.sets, t)
		}
		s.charged = s.charged || len(n.charges) > 0
	}
	if p.shapes.byKey == nil {
		p.shapes.byKey = map[string]*shape{}
	}
	p.shapes.byKey[key.String()] = s
	return s
}

// open finds what stands in an object.
func (s *shape) open() {
	byKey := map[string][]*node{}
	s.names, s.byType, s.children = map[string]bool{}, map[string]*shape{}, map[string]*shape{}
	for _, t := range s.sets {
		for _, name := range t.set.names {
			s.names[name] = true
		}
		for _, name := range t.types {
			s.byType[name] = &shape{program: s.program, nodes: s.nodes, sets: []typed{t}, weight: t.weight}
		}
		for _, n := range t.set.nodes {
			byKey[n.key] = append(byKey[n.key], n)
		}
	}
	for key, nodes := range byKey {
		s.children[key] = s.program.shape(nodes)
	}
}

// child returns the shape of an object's field, nil for one that weighs nothing.
func (s *shape) child(key []byte) *shape {
	s.once.Do(s.open)
	return s.children[string(key)]
}

// Meter measures what an answer cost, by the objects that stand in it: it is written the bytes of the response, in pieces
// of any size. What is estimated for lists it counts; an object or a leaf that is null weighs nothing.
type Meter struct {
	evaluation evaluation
	root       *shape
	cost       float64
	bases      map[*shape]float64
	stack      []frame
	key        []byte // the last one, or the type's name
	pending    *shape // of the value of the last key
	naming     bool   // that value is the object's type
	state      meterState
}

// frame is an object or a list that is open.
type frame struct {
	shape  *shape // of the object, or of the list's items; nil where it does not count
	object bool
	wants  bool // a key comes next
}

type meterState uint8

const (
	between meterState = iota
	inKey
	inName
	inText
	escaped
	inWord
)

// Meter returns a meter for a request's answer. Variables are those of [Program.Estimate].
func (p *Program) Meter(variables [][]byte) *Meter {
	m := &Meter{evaluation: evaluation{model: p.model, variables: variables, sets: p.sets}}
	if p.root != nil {
		m.root = p.shape([]*node{{key: "data", def: &field{}, sets: []typed{{set: p.root}}}})
	}
	return m
}

// Cost returns the cost of what was written: from 0 to [Ceiling].
func (m *Meter) Cost() float64 { return bound(m.cost) }

// Write implements io.Writer. It never fails.
func (m *Meter) Write(b []byte) (int, error) {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch m.state {
		case inText:
			rest := b[i:]
			end := bytes.IndexByte(rest, '"')
			if end >= 0 {
				rest = rest[:end]
			}
			if slash := bytes.IndexByte(rest, '\\'); slash >= 0 {
				i, m.state = i+slash, escaped
			} else if end >= 0 {
				i, m.state = i+end, between
			} else {
				return len(b), nil
			}
			continue
		case escaped:
			m.state = inText
			continue
		case inKey, inName:
			if c != '"' {
				m.key = append(m.key, c)
				continue
			}
			if m.state == inKey {
				m.enter()
			} else {
				m.named()
			}
			m.state = between
			continue
		case inWord:
			if c != ',' && c != ']' && c != '}' && c > ' ' {
				continue
			}
			m.state = between
		case between:
		}
		m.token(c)
	}
	return len(b), nil
}

// token takes a byte outside of strings and words.
func (m *Meter) token(c byte) {
	var top *frame
	if len(m.stack) > 0 {
		top = &m.stack[len(m.stack)-1]
	}
	switch c {
	case ':', ' ', '\t', '\r', '\n':
	case ',':
		if top != nil {
			top.wants = top.object
		}
	case '}', ']':
		if top != nil {
			m.stack = m.stack[:len(m.stack)-1]
		}
	case '{', '[':
		s := m.value()
		if c == '{' && s != nil {
			m.cost += s.weight
		}
		m.stack = append(m.stack, frame{s, c == '{', c == '{'})
	case '"':
		if top != nil && top.wants {
			top.wants = false
			m.key, m.state = m.key[:0], inKey
			return
		}
		if m.naming {
			m.naming, m.key, m.state = false, m.key[:0], inName
			return
		}
		m.leaf()
		m.state = inText
	case 'n':
		m.state = inWord
	default:
		m.leaf()
		m.state = inWord
	}
}

// value returns the shape of the value that begins.
func (m *Meter) value() *shape {
	if len(m.stack) == 0 {
		return nil
	}
	if top := m.stack[len(m.stack)-1]; !top.object {
		return top.shape
	}
	return m.pending
}

func (m *Meter) leaf() {
	if s := m.value(); s != nil && len(s.sets) == 0 {
		m.cost += s.weight
	}
}

// enter takes a key.
func (m *Meter) enter() {
	m.pending, m.naming = nil, false
	switch top := m.stack[len(m.stack)-1]; {
	case len(m.stack) == 1:
		if string(m.key) == "data" {
			m.pending = m.root
		}
	case top.shape != nil:
		if m.pending = top.shape.child(m.key); m.pending != nil {
			m.cost += m.base(m.pending)
		} else {
			m.naming = top.shape.names[string(m.key)]
		}
	}
}

// named takes the name of an object's type.
func (m *Meter) named() {
	top := &m.stack[len(m.stack)-1]
	if of := top.shape.byType[string(m.key)]; of != nil && of.weight <= top.shape.weight {
		m.cost += of.weight - top.shape.weight
		top.shape = of
	}
}

// base returns what it costs to ask for a field.
func (m *Meter) base(s *shape) float64 {
	if !s.charged {
		return s.nodes[0].def.base
	}
	if known, ok := m.bases[s]; ok {
		return known
	}
	most := 0.0
	for _, n := range s.nodes {
		most = max(most, m.evaluation.base(n))
	}
	if m.bases == nil {
		m.bases = map[*shape]float64{}
	}
	m.bases[s] = most
	return most
}
