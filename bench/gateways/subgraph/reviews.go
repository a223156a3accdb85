package subgraph

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
)

// World is a set of subgraphs with what they hold.
type World struct {
	Subgraphs []Named
	// Whole holds everything in one graph: what it answers, a router must answer.
	Whole *Graph
}

// Named is a subgraph of a world.
type Named struct {
	Name  string
	SDL   string
	Graph *Graph
}

type user struct {
	ID, Name, Username string
	world              *reviewWorld
}

type product struct {
	UPC, Name     string
	Price, Weight *int
	InStock       bool
	world         *reviewWorld
}

type review struct {
	ID, Body, UPC string
	world         *reviewWorld
}

// reviewWorld is the data of the public gateways benchmark. Its rules are odd and kept as they are: the first user wrote
// every review, and whoever is asked for the own reviews has the first two.
type reviewWorld struct {
	Users    []*user
	Products []*product
	Reviews  []*review
}

// ReadReviews reads the world of the public gateways benchmark: schemas and data.json.
func ReadReviews(files fs.FS) (*World, error) {
	text, err := fs.ReadFile(files, "data.json")
	if err != nil {
		return nil, fmt.Errorf("read the data: %w", err)
	}
	w := &reviewWorld{}
	if err := json.Unmarshal(text, w); err != nil {
		return nil, fmt.Errorf("read the data: %w", err)
	}
	for _, u := range w.Users {
		u.world = w
	}
	for _, p := range w.Products {
		p.world = w
	}
	for _, r := range w.Reviews {
		r.world = w
	}
	out := &World{}
	var all []string
	for name, entity := range map[string]func(Args) (Object, error){
		"accounts": w.entity, "products": w.entity, "reviews": w.entity, "inventory": w.stocked,
	} {
		sdl, err := fs.ReadFile(files, name+".graphql")
		if err != nil {
			return nil, fmt.Errorf("read a schema: %w", err)
		}
		fields, err := ReadFields(string(sdl))
		if err != nil {
			return nil, err
		}
		out.Subgraphs = append(out.Subgraphs, Named{name, string(sdl), &Graph{Query: w, Entity: entity, Fields: fields}})
		all = append(all, string(sdl))
	}
	fields, err := ReadFields(all...)
	if err != nil {
		return nil, err
	}
	out.Whole = &Graph{Query: w, Fields: fields}
	return out, nil
}

// entity gives what a representation stands for.
func (w *reviewWorld) entity(r Args) (Object, error) {
	switch string(r["__typename"]) {
	case `"User"`:
		if u := w.user(unquote(r["id"])); u != nil {
			return u, nil
		}
	case `"Product"`:
		for _, p := range w.Products {
			if p.UPC == unquote(r["upc"]) {
				return p, nil
			}
		}
	case `"Review"`:
		for _, v := range w.Reviews {
			if v.ID == unquote(r["id"]) {
				return v, nil
			}
		}
	}
	return nil, fmt.Errorf("a representation stands for nothing: %s", r)
}

// stocked gives a product as the inventory knows it: its price and weight are what the representation says.
func (w *reviewWorld) stocked(r Args) (Object, error) {
	o, err := w.entity(r)
	if err != nil {
		return nil, err
	}
	p, ok := o.(*product)
	if !ok {
		return nil, fmt.Errorf("the inventory has no %s", o.Type())
	}
	known := *p
	known.Price, known.Weight = nil, nil
	for name, into := range map[string]**int{"price": &known.Price, "weight": &known.Weight} {
		if text := r[name]; text != nil {
			if err := json.Unmarshal(text, into); err != nil {
				return nil, fmt.Errorf("read the %s of a representation: %w", name, err)
			}
		}
	}
	return &known, nil
}

func unquote(text json.RawMessage) string { return strings.Trim(string(text), `"`) }

func (w *reviewWorld) user(id string) *user {
	for _, u := range w.Users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

// Type implements [Object].
func (*reviewWorld) Type() string { return "Query" }

// Field implements [Object].
func (w *reviewWorld) Field(name string, args Args) (Value, error) {
	switch name {
	case "me":
		return One(w.Users[0]), nil
	case "user":
		if u := w.user(unquote(args["id"])); u != nil {
			return One(u), nil
		}
		return Null(), nil
	case "users":
		return List(w.Users), nil
	case "topProducts":
		first := 5
		if text := args["first"]; text != nil {
			if err := json.Unmarshal(text, &first); err != nil {
				return Value{}, fmt.Errorf("read first: %w", err)
			}
		}
		return List(w.Products[:max(0, min(first, len(w.Products)))]), nil
	}
	return Value{}, unknown(name)
}

func unknown(name string) error { return fmt.Errorf("nothing is known of the field %s", name) }

// Type implements [Object].
func (*user) Type() string { return "User" }

// Field implements [Object].
func (u *user) Field(name string, _ Args) (Value, error) {
	switch name {
	case "id":
		return Text(u.ID), nil
	case "name":
		return Text(u.Name), nil
	case "username":
		return Text(u.Username), nil
	case "birthday":
		return Null(), nil
	case "reviews":
		return List(u.world.Reviews[:2]), nil
	}
	return Value{}, unknown(name)
}

// Type implements [Object].
func (*product) Type() string { return "Product" }

// Field implements [Object].
func (p *product) Field(name string, _ Args) (Value, error) {
	switch name {
	case "upc":
		return Text(p.UPC), nil
	case "name":
		return Text(p.Name), nil
	case "price":
		return number(p.Price), nil
	case "weight":
		return number(p.Weight), nil
	case "inStock":
		return Bool(p.InStock), nil
	case "shippingEstimate":
		return p.shippingEstimate(), nil
	case "reviews":
		var list []*review
		for _, r := range p.world.Reviews {
			if r.UPC == p.UPC {
				list = append(list, r)
			}
		}
		return List(list), nil
	}
	return Value{}, unknown(name)
}

// shippingEstimate is free above 1000, and half the weight otherwise.
func (p *product) shippingEstimate() Value {
	switch {
	case p.Price == nil || p.Weight == nil:
		return Null()
	case *p.Price > 1000:
		return Int(0)
	}
	return Int(*p.Weight / 2)
}

func number(n *int) Value {
	if n == nil {
		return Null()
	}
	return Int(*n)
}

// Type implements [Object].
func (*review) Type() string { return "Review" }

// Field implements [Object].
func (r *review) Field(name string, _ Args) (Value, error) {
	switch name {
	case "id":
		return Text(r.ID), nil
	case "body":
		return Text(r.Body), nil
	case "author":
		return One(r.world.Users[0]), nil
	case "product":
		for _, p := range r.world.Products {
			if p.UPC == r.UPC {
				return One(p), nil
			}
		}
		return Null(), nil
	}
	return Value{}, unknown(name)
}
