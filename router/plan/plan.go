// Package plan turns a GraphQL operation into the fetches that answer it from the subgraphs of a supergraph.
//
// Its input is an operation already parsed and validated against the API schema; its output is a [Plan]: the
// normalised operation, which says what the client gets, and a directed acyclic graph of fetches, which says what each
// subgraph is asked and when. A plan is immutable and shared by all requests that ask the same text: what varies per
// request (variables, @skip and @include, override labels) stays in it as names and bits, never as values.
package plan

// OperationKind is query, mutation or subscription.
type OperationKind uint8

// The kinds of operation of the GraphQL specification, section 2.3.
const (
	Query OperationKind = iota
	Mutation
	Subscription
)

// Plan answers one operation. Fetches are in a topological order: a fetch stands after all that it depends on, and its
// ID is its index.
type Plan struct {
	Operation *Operation
	Fetches   []*Fetch
}

// Operation is a client's operation after normalisation: fragment spreads inlined, impossible fragments dropped, equal
// fields merged in the order of their first appearance. Introspection fields (__schema, __type) stay in Selections and
// are answered by the router; __typename stays as a field.
type Operation struct {
	Kind       OperationKind
	Name       string
	RootType   string // name of the root operation type in the API schema
	Variables  []Variable
	Conditions []Condition  // the meaning of each bit of a Guard; at most 64
	Selections SelectionSet // of the initial answer, where Deferred is not empty
	Deferred   []*Deferred  // what is answered after it
	Directives []AppliedDirective
}

// Variable is a variable that the operation declares.
type Variable struct {
	Name       string
	Type       string // as written, e.g. "[ID!]!"
	Default    string // GraphQL literal as written, or ""
	HasDefault bool
	Directives string // as written, "" for none
}

// Condition is what one bit of a Guard stands for. With Variable set the bit is on when the variable's value equals
// Equals (so @skip(if: $v) is {v, false}); with Label set it is on when that override label is active for the request.
type Condition struct {
	Variable string
	Label    string
	Equals   bool
}

// Guard tells whether a selection or a fetch takes part in a request: it does when for some mask m of it all bits of m
// are set in the request's own mask. An empty Guard always takes part. It is a disjunction because equal fields with
// different @skip and @include merge into one.
type Guard []uint64

// Holds reports whether g admits a request whose conditions are mask.
func (g Guard) Holds(mask uint64) bool {
	if len(g) == 0 {
		return true
	}
	for _, m := range g {
		if mask&m == m {
			return true
		}
	}
	return false
}

// SelectionSet is a list of fields and inline fragments in the order in which they are asked.
type SelectionSet []Selection

// Selection is a field or an inline fragment: exactly one of the two is set.
type Selection struct {
	Field    *Field
	Fragment *Fragment
}

// Field is one selected field. In a client's operation Alias and Key are both the response key. In a fetch, Alias is
// the key under which the subgraph answers and Key the response key of the client's operation that the value stands
// for; they differ when the planner had to rename (two arguments sets, or incompatible types, under one response key).
// Key is empty when the value only feeds representations and is no answer to the client.
type Field struct {
	Parent     string // the type (as known to the schema in question) on which the field is selected
	Name       string
	Alias      string
	Key        string
	Arguments  []Argument
	Selections SelectionSet
	Guard      Guard
	// Types are, in a fetch, the runtime types of the objects that the value stands for under Key, where the subgraph is asked
	// for several values under one Key and cannot tell the objects apart, as those of an interface object; empty for all.
	Types []string
	// Variants are the ways in which a field of a fetch is selected, where some have directives; none for one without.
	Variants []Variant
	// Denied fields are answered with null and an error, and not fetched: the request may not see them.
	Denied bool
}

// Argument is an argument as it is written in a query: Value is a GraphQL literal that may contain variables.
type Argument struct {
	Name  string
	Value string
	// Variables are the names of the variables that Value mentions.
	Variables []string
}

// Fragment is an inline fragment. An empty TypeCondition only carries the Guard. With Deferred set it has no selections of
// its own, and tells at which objects that part of the answer begins.
type Fragment struct {
	TypeCondition string
	Selections    SelectionSet
	Guard         Guard
	Deferred      *Deferred
}

// Fetch is one request to one subgraph.
//
// Without Representations it is a root fetch: Selections are on the subgraph's root type, and its answer is merged into
// the object at Path (the root of the response, or a nested object whose type is a root operation type). With
// Representations it is an entity fetch: it sends `_entities(representations:)` with one representation for each distinct
// object found at Path for which one of Representations applies, and merges each answer into all the objects that asked.
//
// Several fetches may answer different leaves under the same response key; objects then merge by response key and lists
// by position.
type Fetch struct {
	ID              int
	Subgraph        string // name of the subgraph, as in @join__graph(name:)
	Kind            OperationKind
	Path            Path
	Representations []Representation
	Selections      SelectionSet
	DependsOn       []int // ids of the fetches whose answers Path and Representations read, and for mutations the one before
	Guard           Guard
	// Variables are the names of the client's variables that Selections use, sorted.
	Variables []string
	// Deferred are the IDs of the deferred parts of the answer that are the first to need it, sorted; none for a fetch that
	// the initial answer needs.
	Deferred []int
	// Alternatives: fetches with the same Batch > 0 go to the same subgraph, become ready together and may be sent as one
	// request with aliased _entities fields.
	Batch int
}

// Path leads from the root of the response to the objects that a fetch reads and enriches.
type Path []PathElement

// PathElement is one step of a Path: the field with the response key Key, then through all of its list levels to the
// objects, of which only those with a runtime type in Types are taken (all when Types is empty).
type PathElement struct {
	Key   string
	Types []string
}

// Representation says how an object at a fetch's path becomes an entity representation.
type Representation struct {
	// Types are the runtime types (as the response has them in __typename) that it applies to.
	Types []string
	// Typename is sent as __typename; empty sends the object's own. It differs for interface objects.
	Typename string
	// Fields are read from the object under Key (or Alias where Key is empty) and sent under Name. Fragments apply by
	// runtime type. An object lacking one of the key fields, or with a null where the schema has non-null, is not sent.
	Fields SelectionSet
	// Contexts are values of ancestors that @fromContext passes as variables.
	Contexts []ContextValue
}

// ContextValue is a value taken from an ancestor of the entity for an argument marked @fromContext.
type ContextValue struct {
	Variable string // variable of the subgraph query
	Type     string // its type there, e.g. "String"
	Up       int    // how many elements of Path to go up for the object that sets the context
	Fields   SelectionSet
}
