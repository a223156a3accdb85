package supergraph

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// Link is a specification that the supergraph links with @link (or @core, its older form).
type Link struct {
	// Identity is the specification's URL without the version, e.g. "https://specs.apollo.dev/join".
	Identity string
	// Name is the last part of the identity, and Prefix what names of the specification begin with in the SDL.
	Name, Prefix string
	Version      string
	// Purpose is SECURITY, EXECUTION or "".
	Purpose string
	imports map[string]string // name in the SDL, with @ for directives -> name in the specification
}

const apolloSpecs = "https://specs.apollo.dev/"

// understood are the specifications with a purpose that this router acts on. A supergraph that links another one for
// SECURITY or EXECUTION must not be served (link specification, "for:"). Cache tags name what a cache in front may keep, and change no
// answer.
var understood = map[string]bool{
	apolloSpecs + "core": true, apolloSpecs + "link": true, apolloSpecs + "join": true, apolloSpecs + "tag": true,
	apolloSpecs + "inaccessible": true, apolloSpecs + "authenticated": true, apolloSpecs + "requiresScopes": true,
	apolloSpecs + "policy": true, apolloSpecs + "cost": true, apolloSpecs + "context": true, apolloSpecs + "cacheTag": true,
}

// links reads the links of the schema definition.
func links(doc *ast.SchemaDocument) ([]Link, error) {
	var out []Link
	for _, def := range append(append(ast.SchemaDefinitionList{}, doc.Schema...), doc.SchemaExtension...) {
		for _, d := range def.Directives {
			var l *Link
			var err error
			// The link specification itself may be linked under another name; its arguments tell it apart.
			switch {
			case d.Arguments.ForName("url") != nil && (d.Name == "link" || selfLinked(d)):
				l, err = readLink(d, "url")
			case d.Arguments.ForName("feature") != nil && (d.Name == "core" || selfLinked(d)):
				l, err = readLink(d, "feature")
			}
			if err != nil {
				return nil, err
			}
			if l == nil {
				continue
			}
			if (l.Purpose == "SECURITY" || l.Purpose == "EXECUTION") && !understood[l.Identity] {
				return nil, fmt.Errorf("the supergraph links %s for %s, which this router does not know: it must not serve it", l.Identity, l.Purpose)
			}
			out = append(out, *l)
		}
	}
	return out, nil
}

// selfLinked reports whether d links the link (or core) specification under the very name that d has.
func selfLinked(d *ast.Directive) bool {
	as := d.Arguments.ForName("as")
	return as != nil && as.Value != nil && as.Value.Raw == d.Name
}

func readLink(d *ast.Directive, urlArgument string) (*Link, error) {
	raw := stringArgument(d, urlArgument)
	identity, name, version, err := splitSpecURL(raw)
	if err != nil {
		return nil, fmt.Errorf("@%s(%s: %q): %w", d.Name, urlArgument, raw, err)
	}
	l := &Link{Identity: identity, Name: name, Prefix: name, Version: version, Purpose: stringArgument(d, "for"), imports: map[string]string{}}
	if as := stringArgument(d, "as"); as != "" {
		l.Prefix = as
	}
	if imports := d.Arguments.ForName("import"); imports != nil && imports.Value != nil {
		for _, child := range imports.Value.Children {
			if child.Value == nil {
				continue
			}
			if child.Value.Kind == ast.ObjectValue {
				var from, to string
				for _, c := range child.Value.Children {
					switch {
					case c.Value == nil:
					case c.Name == "name":
						from = c.Value.Raw
					case c.Name == "as":
						to = c.Value.Raw
					}
				}
				if to == "" {
					to = from
				}
				l.imports[to] = from
				continue
			}
			l.imports[child.Value.Raw] = child.Value.Raw
		}
	}
	return l, nil
}

// splitSpecURL takes "https://specs.apollo.dev/join/v0.3" apart.
func splitSpecURL(raw string) (identity, name, version string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", "", fmt.Errorf("not a URL: %w", err)
	}
	u.RawQuery, u.Fragment = "", ""
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if last := parts[len(parts)-1]; len(last) > 1 && last[0] == 'v' && last[1] >= '0' && last[1] <= '9' {
		version = last
		parts = parts[:len(parts)-1]
	}
	if len(parts) > 0 {
		name = parts[len(parts)-1]
	}
	u.Path = strings.Join(parts, "/")
	if u.Path != "" {
		u.Path = "/" + u.Path
	}
	return u.String(), name, version, nil
}

// resolver tells which specification a name in the SDL belongs to.
type resolver struct {
	links []Link
}

// directive resolves a directive's name in the SDL (without @) to its specification and its name there.
func (r *resolver) directive(name string) (identity, local string) {
	for i := range r.links {
		if from, ok := r.links[i].imports["@"+name]; ok {
			return r.links[i].Identity, strings.TrimPrefix(from, "@")
		}
	}
	for i := range r.links {
		l := &r.links[i]
		if l.Prefix == "" {
			continue
		}
		if name == l.Prefix {
			return l.Identity, l.Name
		}
		if rest, ok := strings.CutPrefix(name, l.Prefix+"__"); ok {
			return l.Identity, rest
		}
	}
	return "", name
}

// typ resolves a type's name in the SDL.
func (r *resolver) typ(name string) (identity, local string) {
	for i := range r.links {
		if from, ok := r.links[i].imports[name]; ok {
			return r.links[i].Identity, from
		}
	}
	for i := range r.links {
		l := &r.links[i]
		if rest, ok := strings.CutPrefix(name, l.Prefix+"__"); ok && l.Prefix != "" {
			return l.Identity, rest
		}
	}
	return "", name
}

func stringArgument(d *ast.Directive, name string) string {
	a := d.Arguments.ForName(name)
	if a == nil || a.Value == nil || a.Value.Kind == ast.NullValue {
		return ""
	}
	return a.Value.Raw
}

func boolArgument(d *ast.Directive, name string) bool { return stringArgument(d, name) == "true" }
