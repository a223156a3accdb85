package page

import "go.mongodb.org/mongo-driver/v2/bson"

// Order is one field of a sort: ascending unless Descending. The last field of a sort must be unique.
type Order struct {
	Field      string
	Descending bool
}

// Sort gives the sort for reading w: the order itself, or its reverse when the window is read from the end.
func (w Window) Sort(order []Order) bson.D {
	var d bson.D
	for _, o := range order {
		n := 1
		if o.Descending != w.Backward {
			n = -1
		}
		d = append(d, bson.E{Key: o.Field, Value: n})
	}
	return d
}

// Filter gives the conditions that keep a read within w; empty where there are none. It reads as the tuple comparison of
// the sort fields with the cursor's key.
func (w Window) Filter(order []Order) bson.A {
	var all bson.A
	if w.From != nil {
		all = append(all, beyond(order, *w.From, true))
	}
	if w.To != nil {
		all = append(all, beyond(order, *w.To, false))
	}
	return all
}

// beyond gives the filter for items after the key in the order, or before it.
func beyond(order []Order, k Key, after bool) bson.D {
	var alternatives bson.A
	for i := range order {
		if i >= len(k) {
			break
		}
		var d bson.D
		for j := range i {
			d = append(d, bson.E{Key: order[j].Field, Value: k[j]})
		}
		op := "$gt"
		if order[i].Descending == after {
			op = "$lt"
		}
		alternatives = append(alternatives, append(d, bson.E{Key: order[i].Field, Value: bson.D{{Key: op, Value: k[i]}}}))
	}
	// The outer bound on the first field lets an index end the scan.
	op := "$gte"
	if order[0].Descending == after {
		op = "$lte"
	}
	return bson.D{{Key: order[0].Field, Value: bson.D{{Key: op, Value: k[0]}}}, {Key: "$or", Value: alternatives}}
}
