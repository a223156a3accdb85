// Package execute answers operations: it compiles a query plan once into a [Program] and runs that for each request.
//
// A subgraph's answer is scanned once into slots that say where values stand in its body; leaves stay the bytes that the
// subgraph wrote, up to the response. The objects of the response are positions in a tree; each position has one or more
// sources, an object of some fetch's answer each. The answer to an entity fetch is attached to the objects that asked for
// it by reference.
package execute

import (
	"sync/atomic"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/plan"
)

// Program is a compiled plan. It is shared by all requests, and immutable but for what it remembers of their sizes.
type Program struct {
	plan       *plan.Plan
	schema     *ast.Schema
	fetches    []*fetch
	units      []*unit
	root       *node
	projection *objectProjection
	variables  []*ast.VariableDefinition
	conditions []condition
	// What is deferred, by the IDs of the plan; which fetches the initial answer reads, and how many units it waits for.
	deferred []*deferredPart
	initial  []bool
	first    int
	// declarations of the operation's variables, as they stand in a JSON string.
	declarations [][]byte
	directives   []byte // of the operation, on requests that several fetches share
	// representations is the variable that entity fetches pass: a name that the operation has for none of its own.
	representations string
	answers         atomic.Int64 // bytes that the answers to a request take; 0 while none was executed
	response        atomic.Int64 // and the response
	queue           queue
}

// condition is what a bit of a request's mask stands for.
type condition struct {
	variable int // of the operation's; -1 for a label
	label    *label
	equals   bool
}

// Plan gives the plan that the program was compiled from.
func (p *Program) Plan() *plan.Plan { return p.plan }

// node is a position in the response at which an object stands, possibly in lists.
type node struct {
	parent   *node
	key      string
	children map[string]*node
	order    []*node
	sources  []source
	fields   map[string][]access // leaf fields by logical key
	kinds    [][]string          // the runtime types that some of these stand for, see access
	typename []access            // where the runtime type stands
	others   []access            // where other fields stand
	static   string              // the runtime type where it is known without asking
	by       *projected          // a field that leads here, for errors; nil at the root
}

// source is one object that stands at a node: a field of the parent's source, or the answer of an entity fetch that is
// attached to an object of the same node.
type source struct {
	fetch  int
	shape  *shape
	parent int      // field: index of the parent's source
	slot   int      // field: in the object of parent
	hosts  []access // attached: slots of objects of this same node, in the first of which that stands the reference is
	root   bool     // the whole answer of a root fetch at the root of the response
	types  []string // field: the runtime types of the objects above that it stands for; empty for all
	static string   // the runtime type of its objects, where the subgraph has every field that leads to them with this object type
}

// attached reports whether the source is the answer of an entity fetch, and no field of what stands above.
func (s *source) attached() bool { return len(s.hosts) > 0 }

// access is where a field may be found: a slot of one of a node's sources.
type access struct {
	source, slot int
	fetch        int // whose answer the source stands in
	// kind tells for which objects the value stands: those of the runtime types kinds[kind-1] of the node; 0 for all.
	kind int
}

// fetch is a compiled request to a subgraph.
type fetch struct {
	id         int
	subgraph   string
	kind       plan.OperationKind
	prefix     []byte // {"query":"...","variables":{
	query      string // the operation's text
	variables  []int  // of the operation's, that the query uses
	entity     bool
	nested     bool // a root fetch below the root of the response
	path       []step
	at         *node
	hosts      []access // where the answer is attached: a slot of the first source of at that has an object
	sees       []bool   // by fetch: whose answers it may read, since it starts after them
	needs      []int    // the fetches that it waits for
	shape      *shape   // of data
	entities   *shape   // of an entity
	represents []*representation
	guard      plan.Guard
	keys       []string // logical keys that it answers at its node, for errors
	// For an entity fetch, its part of a request that several share: what it declares, and what it selects of entities, as
	// they stand in a JSON string. The names of context variables are followed by a number where pieces meet.
	pieces [][]byte
	// definitions are the fragments that the fetch's selections name.
	definitions string
	contexts    []contextValue
	// listed says that the objects at the fetch's path are those of one source, by the list in which the scanner notes them:
	// then nothing has to be walked. 0 where they are not.
	listed int
	direct int // that source, of at
	// keyed is the representation of all objects listed, where their type is known, and key is where the fields stand that
	// tell them apart, each in the first of its places: objects alike in these are alike in those that are given, which are
	// of entities found by the same key. Without such a representation key is empty.
	keyed      *representation
	key, given []keyPlace
	// slots are what its answers take, and bytes.
	slots, bytes atomic.Int64
	// distinct tells that equal objects are asked for separately, since below them an argument differs by ancestor.
	distinct bool
}

// keyPlace is where a part of the key of listed objects stands: a slot of theirs, or a field of the entity that is
// attached there.
type keyPlace struct {
	slot, field int
	fetch       int // whose answer the entity stands in
	attached    bool
}

// unit is what is sent as one request: a fetch, or several to one subgraph that become ready together.
type unit struct {
	fetches    []*fetch
	subgraph   string
	name       []byte // of the request's operation, where it has one
	dependants []int
	waits      int32
	deferred   []int // the parts that need it, where the initial answer does not
}

// contextValue is a value of an ancestor that a fetch passes as an argument.
type contextValue struct {
	variable string // in the request a part's number follows, after an underscore
	typ      []byte
	up       int // elements of the path from the object to the ancestor
	fields   []representationField
}

// step is one element of a fetch's path.
type step struct {
	node  *node
	types []string // runtime types that are taken; empty for all
}

// representation is how an object becomes an entity representation.
type representation struct {
	types    []string
	typename []byte // "..." to be sent, or nil to send the object's own
	fields   []representationField
	flat     bool // whether all fields are leaves that are always sent
}

type representationField struct {
	key      []byte // "name":
	access   []access
	child    *node // for an object
	types    []string
	fields   []representationField
	typename bool
	typ      *ast.Type // as the whole supergraph has it
	guard    plan.Guard
}

// objectProjection writes an object of the response.
type objectProjection struct {
	node   *node
	static []projected            // when the runtime type is known or makes no difference
	byType map[string][]projected // else
	// Where the types of byType are all written alike, general is how; for objects of which no more is known than that they
	// are declared's. Else declared is "".
	general  []projected
	declared string
	veiled   bool // the API hides some of the types that stand here
	// sole says that the objects come from one field of one fetch, a source of node, beside what is attached to them.
	sole   bool
	source int
	copies int // in the slots of such an object, where it is told where it was written; 0 where it is not
}

// projected is one field of an object of the response.
type projected struct {
	key   []byte // "name":
	next  []byte // the same after a comma
	plain bool   // a leaf that is written as it came
	// conditional fields are written where included tells.
	conditional bool
	name        string // the response key, for paths
	parent      string // parent type and field, for errors
	field       string
	guard       plan.Guard
	unless      plan.Guard // where it holds too the field stands at an earlier turn
	access      []access
	child       *objectProjection
	typ         *ast.Type
	typename    bool
	constant    []byte          // for __typename of a known type
	values      map[string]bool // enum values that the API knows, where the subgraphs know others; nil for no check
	leaf        *leafType       // of a leaf
	intro       *introspection
	denied      bool          // it may not be seen: null, with an error
	deferred    *deferredPart // no field: a part of the response that begins here
}

// included reports whether a field is written in a request.
func (p *projected) included(mask uint64) bool {
	return p.guard.Holds(mask) && (len(p.unless) == 0 || !p.unless.Holds(mask))
}
