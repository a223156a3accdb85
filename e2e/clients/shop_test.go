package clients

import (
	"context"
	"fmt"
)

// shop gives a small graph for clients to ask: products with their stock, and a mutation.
func shop() []*subgraph {
	names := map[string]string{"p1": "Table", "p2": "Chair", "p3": "Lamp"}
	product := func(id string) object {
		if names[id] == "" {
			return nil
		}
		return object{"id": id, "name": names[id]}
	}
	id := func(args map[string]any) string { return fmt.Sprint(args["id"]) }
	return []*subgraph{{
		name: "products",
		sdl: `extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
			type Query { product(id: ID!): Product products: [Product!]! }
			type Mutation { rename(id: ID!, name: String!): Product }
			type Product @key(fields: "id") { id: ID! name: String! }`,
		resolvers: map[string]resolver{
			"Query.product": func(_ context.Context, _ object, args map[string]any) (any, error) { return product(id(args)), nil },
			"Query.products": func(context.Context, object, map[string]any) (any, error) {
				return []object{product("p1"), product("p2"), product("p3")}, nil
			},
			"Mutation.rename": func(_ context.Context, _ object, args map[string]any) (any, error) {
				if product(id(args)) == nil {
					return nil, fmt.Errorf("there is no product %s", id(args))
				}
				return object{"id": id(args), "name": args["name"]}, nil
			},
		},
		entities: map[string]func(object) (object, error){
			"Product": func(rep object) (object, error) { return product(fmt.Sprint(rep["id"])), nil },
		},
	}, {
		name: "stock",
		sdl: `extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
			type Product @key(fields: "id") { id: ID! stock: Int! }`,
		entities: map[string]func(object) (object, error){
			"Product": func(rep object) (object, error) { return object{"id": rep["id"], "stock": 7}, nil },
		},
	}}
}
