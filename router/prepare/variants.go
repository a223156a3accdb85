package prepare

import (
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/authorise"
	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/plan"
)

// Traits are what of a request decides which of an operation's programs it takes.
type Traits struct {
	Grants authorise.Grants
	// Parts tells that the client takes the response in parts, so that @defer counts, under the values of its variables.
	Parts  bool
	Values *Values
}

// maxVariants bounds how many programs are kept of one operation beside the first. Identities fall into few classes, by
// what they may see; an operation for which there are more is planned again each time.
const maxVariants = 64

// maxRequirements bounds the requirements of one operation, a bit of a variant's key each.
const maxRequirements = 64

// variants are the programs of an operation of which not everybody gets the same.
type variants struct {
	preparer     *Preparer
	doc          *ast.QueryDocument
	op           *ast.OperationDefinition
	requirements []int // of the fields that it selects
	defers       deferral

	// grown must be called with how many bytes a program takes that is kept.
	grown func(bytes int)

	mu    sync.Mutex
	byKey map[variantKey]*variant
}

// variantKey tells programs of one operation apart: which of its requirements are not met, and what is deferred.
type variantKey struct{ unmet, deferred uint64 }

// variant is the program for those who do not meet some of the requirements, or who take the response in parts.
type variant struct {
	once    sync.Once
	program *execute.Program
	errors  gqlerror.List
}

// For gives the program for a request with these traits, or the errors for which there is none.
func (p *Prepared) For(t Traits) (*execute.Program, gqlerror.List) {
	if p.variants == nil {
		return p.Program, nil
	}
	var unmet uint64
	for i, id := range p.variants.requirements {
		if !p.variants.preparer.authorise.Requirement(id).Met(t.Grants) {
			unmet |= 1 << i
		}
	}
	key := variantKey{unmet: unmet}
	if t.Parts {
		key.deferred = p.variants.defers.active(t.Values)
	}
	if key == (variantKey{}) {
		return p.Program, nil
	}
	return p.variants.get(key)
}

func (v *variants) get(key variantKey) (*execute.Program, gqlerror.List) {
	v.mu.Lock()
	one, kept := v.byKey[key]
	if one == nil {
		one = &variant{}
		if kept = len(v.byKey) < maxVariants; kept {
			v.byKey[key] = one
		}
	}
	v.mu.Unlock()
	one.once.Do(func() {
		turns := v.preparer.cache.turns
		turns <- struct{}{}
		defer turns.giveBack()
		one.errors = refusal("INTERNAL", "Something went wrong in the router.").Errors // unless planning ends
		one.program, one.errors = v.plan(key)
		if kept && one.program != nil {
			v.grown(one.program.Size())
		}
	})
	return one.program, one.errors
}

// plan plans the operation without the fields whose requirements are not met.
func (v *variants) plan(key variantKey) (*execute.Program, gqlerror.List) {
	rules := v.preparer.authorise
	options := plan.Options{Defer: v.defers.option(key.deferred)}
	if key.unmet != 0 {
		options.Denied = func(typeName, field string) bool {
			return slices.ContainsFunc(rules.Of(typeName, field), func(id int) bool {
				i, _ := slices.BinarySearch(v.requirements, id)
				return key.unmet&(1<<i) != 0
			})
		}
	}
	program, refused := v.preparer.plan(v.doc, v.op, options)
	if refused != nil {
		return nil, refused.Errors
	}
	return program, nil
}

// requirements collects what is required for the fields that an operation selects.
type requirements struct {
	rules *authorise.Rules
	ids   []int
}

// note is a question of the planner whether a field may be seen: yes, but remember what for.
func (r *requirements) note(typeName, field string) bool {
	for _, id := range r.rules.Of(typeName, field) {
		if i, found := slices.BinarySearch(r.ids, id); !found {
			r.ids = slices.Insert(r.ids, i, id)
		}
	}
	return false
}
