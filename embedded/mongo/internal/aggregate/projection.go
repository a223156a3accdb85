// Package aggregate runs aggregation pipelines, and the projections and sorts that find shares with them.
package aggregate

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/expr"
	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// Projection shapes documents.
type Projection struct {
	root    node
	include bool
	// position is the path of the positional projection "path.$".
	position value.Path
}

// node is what a projection says about one field.
type node struct {
	name     string
	children []*node
	plain    bool // included or excluded as it is
	expr     expr.Expr
	slice    *[2]int64 // position and count
	sliced   bool      // with a position
	elem     *query.Filter
}

func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// add makes the node of a path; two paths of which one contains the other are refused.
func (n *node) add(p value.Path) (*node, error) {
	for i, name := range p {
		if name == "" {
			return nil, fault.New(fault.Code(40353), "a field path may not have empty parts: %s", p)
		}
		c := n.child(name)
		last := i == len(p)-1
		if c != nil && (last || len(c.children) == 0) {
			return nil, fault.New(fault.Code(31249), "Path collision at %s", p)
		}
		if c == nil {
			c = &node{name: name}
			n.children = append(n.children, c)
		}
		n = c
	}
	return n, nil
}

// CompileProjection reads a projection of find, or of $project when stage is true.
func CompileProjection(d bson.D, stage bool) (*Projection, error) {
	p := &Projection{}
	c := projectionCompiler{p: p, stage: stage, id: true}
	if err := c.fields(d, nil); err != nil {
		return nil, err
	}
	if c.included && c.excluded {
		return nil, fault.New(fault.Code(31254), "Cannot do exclusion on a field in inclusion projection")
	}
	if stage && len(d) == 0 {
		return nil, fault.New(fault.Code(51272), "Invalid $project :: caused by :: projection specification must have at least one field")
	}
	p.include = c.included || c.computed && !c.excluded
	idNode := p.root.child("_id")
	switch {
	case p.include && c.id && idNode == nil:
		p.root.children = append([]*node{{name: "_id", plain: true}}, p.root.children...)
	case !p.include && !c.id:
		p.root.children = append(p.root.children, &node{name: "_id", plain: true})
	case !c.included && !c.excluded && !c.computed && c.idGiven && c.id && !c.neutral:
		p.include = true
		p.root.children = append(p.root.children, &node{name: "_id", plain: true})
	}
	return p, nil
}

type projectionCompiler struct {
	p                            *Projection
	stage                        bool
	included, excluded, computed bool
	neutral                      bool // $slice and $meta keep the other fields
	id, idGiven                  bool
}

func (c *projectionCompiler) fields(d bson.D, prefix value.Path) error {
	for _, e := range d {
		if strings.HasPrefix(e.Key, "$") {
			return fault.New(fault.Code(16410), "FieldPath field names may not start with '$': %s", e.Key)
		}
		path := append(append(value.Path{}, prefix...), value.ParsePath(e.Key)...)
		if err := c.field(path, e.Value); err != nil {
			return err
		}
	}
	return nil
}

func (c *projectionCompiler) field(path value.Path, v any) error {
	if path[len(path)-1] == "$" {
		if c.stage || !value.Truth(v) || c.p.position != nil || len(path) < 2 {
			return fault.New(fault.Code(31395), "the positional projection may be used once, by find, and to include")
		}
		c.p.position = path[:len(path)-1]
		path = c.p.position
	}
	flag, isBool := v.(bool)
	if !isBool && value.IsNumber(v) {
		flag, isBool = value.Truth(v), true
	}
	if isBool {
		if len(path) == 1 && path[0] == "_id" {
			c.id, c.idGiven = flag, true
			return nil
		}
		if flag {
			c.included = true
		} else {
			c.excluded = true
		}
		n, err := c.p.root.add(path)
		if err == nil {
			n.plain = true
		}
		return err
	}
	d, isDoc := v.(bson.D)
	if isDoc && len(d) > 0 && !strings.HasPrefix(d[0].Key, "$") {
		return c.fields(d, path)
	}
	if isDoc && len(d) == 1 {
		if done, err := c.operator(path, d[0]); done || err != nil {
			return err
		}
	}
	x, err := expr.Compile(v)
	if err != nil {
		return err
	}
	if _, meta := value.Get(d, "$meta"); meta {
		c.neutral = true
	} else {
		c.computed = true
	}
	n, err := c.p.root.add(path)
	if err == nil {
		n.expr = x
	}
	return err
}

// operator reads what only find's projections have.
func (c *projectionCompiler) operator(path value.Path, e bson.E) (done bool, err error) {
	if c.stage {
		return false, nil
	}
	switch e.Key {
	case "$slice":
		n := [2]int64{}
		positioned := false
		if a, ok := e.Value.(bson.A); ok {
			if len(a) != 2 {
				return false, nil // the expression
			}
			skip, ok1 := value.Whole(a[0])
			count, ok2 := value.Whole(a[1])
			if !ok1 || !ok2 {
				return false, nil
			}
			if count <= 0 {
				return true, fault.New(fault.Code(28724), "$slice limit must be positive")
			}
			n, positioned = [2]int64{skip, count}, true
		} else {
			count, ok := value.Whole(e.Value)
			if !ok {
				return true, fault.New(fault.Code(28667), "Invalid $slice syntax")
			}
			n[1] = count
		}
		leaf, err := c.p.root.add(path)
		if err != nil {
			return true, err
		}
		leaf.slice, leaf.sliced = &n, positioned
		c.neutral = true
		return true, nil
	case "$elemMatch":
		if len(path) > 1 {
			return true, fault.New(fault.Code(31275), "Cannot use $elemMatch projection on a nested field")
		}
		f, err := query.Compile(bson.D{{Key: "x", Value: bson.D{e}}})
		if err != nil {
			return true, err
		}
		leaf, err := c.p.root.add(path)
		if err != nil {
			return true, err
		}
		leaf.elem = f
		c.included = true
		return true, nil
	}
	return false, nil
}

// Apply shapes a document; position is the array position that the filter matched.
func (p *Projection) Apply(d bson.D, position int, scope *expr.Scope) (bson.D, error) {
	a := applier{p, scope, position}
	return a.document(&p.root, d, 0)
}

type applier struct {
	p        *Projection
	scope    *expr.Scope
	position int
}

func (a applier) document(n *node, d bson.D, depth int) (bson.D, error) {
	out := make(bson.D, 0, len(d))
	for _, e := range d {
		c := n.child(e.Key)
		switch {
		case c == nil:
			if !a.p.include {
				out = append(out, e)
			}
			continue
		case c.expr != nil:
			continue
		case c.plain:
			if !a.p.include {
				continue
			}
			v := e.Value
			if a.p.position != nil && depth == 0 && a.p.position[0] == e.Key {
				var err error
				if v, err = a.positional(v, a.p.position[1:]); err != nil {
					return nil, err
				}
			}
			out = append(out, bson.E{Key: e.Key, Value: v})
		case c.slice != nil:
			v := e.Value
			if list, ok := v.(bson.A); ok {
				v = expr.SliceArray(list, c.slice[0], c.slice[1], c.sliced)
			}
			out = append(out, bson.E{Key: e.Key, Value: v})
		case c.elem != nil:
			list, _ := e.Value.(bson.A)
			_, pos, err := c.elem.MatchPosition(bson.D{{Key: "x", Value: list}})
			if err != nil {
				return nil, err
			}
			if pos >= 0 {
				out = append(out, bson.E{Key: e.Key, Value: bson.A{list[pos]}})
			}
		default:
			v, keep, err := a.nested(c, e.Value, depth+1)
			if err != nil {
				return nil, err
			}
			if keep {
				if a.p.position != nil && depth == 0 && a.p.position[0] == e.Key {
					if v, err = a.positional(v, a.p.position[1:]); err != nil {
						return nil, err
					}
				}
				out = append(out, bson.E{Key: e.Key, Value: v})
			}
		}
	}
	return a.computed(n, out)
}

// computed sets the fields that expressions give.
func (a applier) computed(n *node, out bson.D) (bson.D, error) {
	for _, c := range n.children {
		if c.expr == nil {
			if _, there := value.Get(out, c.name); !there && c.computes() {
				sub, err := a.computed(c, bson.D{})
				if err != nil {
					return nil, err
				}
				out = append(out, bson.E{Key: c.name, Value: sub})
			}
			continue
		}
		v, err := c.expr(a.scope)
		if err != nil {
			return nil, err
		}
		if _, none := v.(value.Missing); !none {
			out = expr.SetField(out, c.name, v)
		}
	}
	return out, nil
}

func (n *node) computes() bool {
	for _, c := range n.children {
		if c.expr != nil || c.computes() {
			return true
		}
	}
	return false
}

func (a applier) nested(n *node, v any, depth int) (any, bool, error) {
	switch x := v.(type) {
	case bson.D:
		out, err := a.document(n, x, depth)
		return out, true, err
	case bson.A:
		out := make(bson.A, 0, len(x))
		for _, e := range x {
			w, keep, err := a.nested(n, e, depth)
			if err != nil {
				return nil, false, err
			}
			if keep {
				out = append(out, w)
			}
		}
		return out, true, nil
	}
	if a.p.include && n.computes() {
		out, err := a.computed(n, bson.D{})
		return out, true, err
	}
	return v, !a.p.include, nil
}

// positional keeps only the element of an array that the filter matched.
func (a applier) positional(v any, rest value.Path) (any, error) {
	if list, ok := v.(bson.A); ok {
		if a.position < 0 || a.position >= len(list) {
			return nil, fault.New(fault.Code(51246), "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array")
		}
		return bson.A{list[a.position]}, nil
	}
	d, ok := v.(bson.D)
	if !ok || len(rest) == 0 {
		return v, nil
	}
	out := append(bson.D{}, d...)
	for i := range out {
		if out[i].Key == rest[0] {
			inner, err := a.positional(out[i].Value, rest[1:])
			if err != nil {
				return nil, err
			}
			out[i].Value = inner
		}
	}
	return out, nil
}
