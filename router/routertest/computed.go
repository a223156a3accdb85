package routertest

import "fmt"

// computedFields returns what the subgraphs of a suite compute and do not hold, by subgraph and Type.field. What they remember is
// new each time.
func computedFields(suite string) map[string]map[string]Resolver {
	switch suite {
	case "simple_requires_provides":
		return only("post", "Parcel.postage", ofNumber("grams", func(g float64) any { return g * 3 / 10 }))
	case "simple_inaccessible":
		return only("pay", "Clerk.wage", ofNumber("grade", func(g float64) any { return 4000 + g*100 }))
	case "override_with_requires":
		return map[string]map[string]Resolver{
			"rules": {"Loan.late": ofNumber("days", func(d float64) any { return d > 30 })},
			"fines": {"Loan.fine": func(o Object, _ map[string]any) (any, error) {
				late, err := o.Required("late")
				if late == true {
					return 200, err
				}
				return 0, err
			}},
		}
	case "requires_requires":
		return map[string]map[string]Resolver{
			"cellar": {"Wine.age": ofNumber("year", func(y float64) any { return 2025 - y })},
			"guide":  {"Wine.ripe": ofNumber("age", func(a float64) any { return a >= 10 })},
		}
	case "requires_circular":
		return map[string]map[string]Resolver{
			"a": {"Clock.speed": ofNumber("teeth", func(n float64) any { return n * 10 })},
			"b": {"Clock.teeth": ofNumber("hour", func(h float64) any { return h * 2 }), "Clock.chime": ofNumber("speed", func(s float64) any { return s + 1 })},
		}
	case "requires_with_argument":
		return map[string]map[string]Resolver{"bill": {
			"Dish.tip":     ofNumber("price", func(p float64) any { return float64(int(p) / 10) }),
			"Dish.rounded": ofNumber("price", func(p float64) any { return float64(int(p) / 10 * 10) }),
		}}
	case "requires_with_argument_conflict":
		return only("walks", "Route.hours", ofNumber("length", func(km float64) any { return km / 4 }))
	case "requires_with_fragments":
		return only("feed", "Cage.ration", ration)
	case "requires_interface":
		return only("tax", "Flat.office", func(o Object, _ map[string]any) (any, error) {
			owner, err := o.Required("owner")
			if err != nil {
				return nil, err
			}
			return fmt.Sprintf("tax office of %v", owner.(record)["town"]), nil
		})
	case "include_skip":
		return only("seeds", "Bed.seeds", ofNumber("metres", func(m float64) any { return m * 100 }))
	case "interface_object_with_requires":
		return only("tolls", "Vehicle.toll", ofNumber("wheels", func(w float64) any { return w * 5 }))
	case "mutations":
		return bakery()
	}
	return nil
}

func only(subgraph, field string, r Resolver) map[string]map[string]Resolver {
	return map[string]map[string]Resolver{subgraph: {field: r}}
}

// ofNumber computes a field of a number that it requires.
func ofNumber(required string, compute func(float64) any) Resolver {
	return func(o Object, _ map[string]any) (any, error) {
		v, err := o.Required(required)
		if err != nil {
			return nil, err
		}
		n, ok := v.(float64)
		if !ok {
			return nil, fmt.Errorf("%s is %v, and no number", required, v)
		}
		return compute(n), nil
	}
}

// ration says what the guest of a cage is fed: what is required differs by its type.
func ration(o Object, _ map[string]any) (any, error) {
	v, err := o.Required("guest")
	if err != nil {
		return nil, err
	}
	guest, ok := v.(record)
	if !ok {
		return "nothing", nil
	}
	switch kilos, grams := guest["kilos"], guest["grams"]; guest[typenameField] {
	case "Lion":
		if kilos, ok := kilos.(float64); ok && grams == nil {
			return fmt.Sprintf("%v kg of meat", kilos/10), nil
		}
	case "Wren":
		if grams, ok := grams.(float64); ok && kilos == nil {
			return fmt.Sprintf("%v g of flies", grams/3), nil
		}
	}
	return nil, fmt.Errorf("no guest that can be fed: %v", guest)
}

// bakery remembers how many cakes are on the tray, and what one costs.
func bakery() map[string]map[string]Resolver {
	cakes, price := 0.0, 5.0
	tray := func() any { return record{"id": "t", "cakes": cakes} }
	return map[string]map[string]Resolver{
		"orders": {
			"Query.tray": func(Object, map[string]any) (any, error) { return tray(), nil },
			"Mutation.put": func(_ Object, args map[string]any) (any, error) {
				cakes += number(args["cakes"])
				return tray(), nil
			},
			"Mutation.clear": func(Object, map[string]any) (any, error) {
				left := cakes
				cakes = 0
				return left, nil
			},
		},
		"prices": {
			"Mutation.raise": func(_ Object, args map[string]any) (any, error) {
				price += number(args["by"])
				return price, nil
			},
			"Tray.total": func(o Object, _ map[string]any) (any, error) {
				n, err := o.Required("cakes")
				if err != nil {
					return nil, err
				}
				return number(n) * price, nil
			},
		},
	}
}
