package compose

import (
	"net/url"
	"regexp"
	"sort"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// link is a specification that a schema links.
type link struct {
	identity string // the address without the version
	name     string // the last part of the identity
	url      string
	version  version
	as       string // prefix of the names that are not imported
	imports  []imported
	purpose  string
	pos      *ast.Position
	implicit bool // the link specification itself, not written out
}

// imported is an element that a @link imports; directives begin with "@".
type imported struct{ name, as string }

// aliasRE is what the published composition takes for the name of a specification; dashes and dots it lets pass.
var aliasRE = regexp.MustCompile(`^[_A-Za-z][-._0-9A-Za-z]*$`)

// linkErrors collects what is wrong with the links of one schema.
type linkErrors struct {
	s    *schema
	errs []Error
}

func (l *linkErrors) add(code string, pos *ast.Position, format string, args ...any) {
	l.errs = append(l.errs, l.s.errorf(code, pos, format, args...))
}

// linkName gives the name by which the schema applies @link.
func (s *schema) linkName() string {
	if n := s.explicitLink(); n != "" {
		return n
	}
	return "link"
}

// linksExplicitly tells whether the schema links the link specification itself.
func (s *schema) linksExplicitly() bool { return s.explicitLink() != "" }

func (s *schema) explicitLink() string {
	for _, d := range s.applied {
		if u := d.str("url"); u != "" {
			as := d.str("as")
			if as == "" {
				as = "link"
			}
			if id, _, _, problem := parseLinkURL(u); problem == "" && id == linkIdentity && as == d.name {
				return d.name
			}
		}
	}
	return ""
}

// readLinks reads the @link applications of the schema.
func (s *schema) readLinks() []Error {
	e := &linkErrors{s: s}
	explicit := s.linksExplicitly()
	linkName := s.linkName()
	found, core := explicit, explicit
	for _, d := range s.applied {
		if d.name == linkName {
			found = true
			core = core || isCore(d.str("url"))
		}
	}
	if !found {
		return nil
	}
	if explicit && linkName != "link" && s.directives[linkName] == nil {
		// Only @link is defined where it is missing.
		e.add(codeInvalidGraphQL, nil, "Unknown directive \"@%s\".", linkName)
		return e.errs
	}
	if !core && s.directives["link"] != nil {
		return nil
	}
	if !explicit {
		s.links = []*link{{identity: linkIdentity, name: "link", url: linkIdentity + "/v1.0", version: version{1, 0}, as: "link", implicit: true}}
	}
	var versions []Error
	var applied []*directive
	for _, d := range s.applied {
		switch {
		case d.name != linkName || !core:
		case explicit && strings.HasPrefix(d.str("url"), linkIdentity+"/"):
			applied = append([]*directive{d}, applied...) // by which the others are read
		default:
			applied = append(applied, d)
		}
	}
	for _, d := range applied {
		// One after the other, and none after one that is not sound. A version that is not known does not keep the others from being read.
		before := len(s.links)
		s.readLink(e, d)
		if len(e.errs) == 0 {
			s.checkLinkNames(e)
		}
		if len(s.links) > before && len(e.errs) == 0 {
			l := s.links[before]
			if problem := s.unknownVersion(l); problem != nil {
				versions = append(versions, *problem)
			} else {
				s.checkImports(e, l)
			}
		}
		if len(e.errs) > 0 {
			return e.errs
		}
	}
	return versions
}

// unknownVersion tells of a version of the link or the Federation specification that composition does not know.
func (s *schema) unknownVersion(l *link) *Error {
	var e Error
	switch {
	case l.identity == linkIdentity && l.version != (version{1, 0}):
		e = s.errorf(codeUnknownLinkVersion, l.pos, "Schema uses unknown version %s of the link spec", l.version)
	case l.identity == federationIdentity && (l.version.major != 2 || l.version.minor > maxFederation.minor):
		e = s.errorf(codeUnknownFederationVersion, l.pos, "Invalid version %s for the federation feature in @link directive on schema", l.version)
	default:
		if l.identity == federationIdentity {
			s.version = l.version
		}
		return nil
	}
	return &e
}

// isCore tells whether an address is that of the link specification or of Federation. A schema that links neither links
// nothing: its links are not even read.
func isCore(address string) bool {
	return strings.HasPrefix(address, linkIdentity) || strings.HasPrefix(address, federationIdentity)
}

// parseLinkURL splits the address of a specification.
func parseLinkURL(raw string) (identity, name string, v version, problem string) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return "", "", version{}, sprintf("%q is not an absolute URL", raw)
	}
	parts := strings.Split(u.EscapedPath(), "/")
	last := parts[len(parts)-1]
	if last == "" {
		return "", "", version{}, sprintf("Missing version component in feature url '%s'", raw)
	}
	v, ok := parseVersion(last)
	if !ok {
		return "", "", version{}, sprintf("Expected a version string (of the form v1.2), got %s", last)
	}
	parts = parts[:len(parts)-1]
	if len(parts) == 0 || parts[len(parts)-1] == "" {
		return "", "", version{}, sprintf("Missing feature name component in feature url '%s'", raw)
	}
	name = parts[len(parts)-1]
	host := u.Scheme + "://" + u.Host
	if u.User != nil {
		host = u.Scheme + "://" + u.User.String() + "@" + u.Host
	}
	return host + strings.Join(parts, "/"), name, v, ""
}

func (s *schema) readLink(e *linkErrors, d *directive) {
	value := d.arg("url")
	if value == nil || !isString(value) {
		e.add(codeInvalidLinkIdentifier, d.pos, "@%s needs the argument `url`: the address of a specification with its version", d.name)
		return
	}
	id, name, v, problem := parseLinkURL(value.Raw)
	if problem == "" && strings.HasPrefix(value.Raw, "file:") {
		problem = sprintf("%q names no host", value.Raw)
	}
	if problem != "" {
		e.add(codeInvalidLinkIdentifier, d.pos, "%s", problem)
		return
	}
	l := &link{identity: id, name: name, url: value.Raw, version: v, as: name, pos: d.pos}
	if as := d.arg("as"); as != nil && as.Kind != ast.NullValue {
		l.as = as.Raw
	}
	if problem := aliasProblem(l.as); problem != "" {
		e.add(codeInvalidLinkUsage, d.pos, "Cannot link feature %q as %q since it %s. Please rename to a compliant name via \"as\".", id, l.as, problem)
		return
	}
	if id == linkIdentity && l.as != d.name {
		e.add(codeInvalidLinkUsage, d.pos, "Cannot link feature %q as %q since it is already linked as %q in the schema.", id, l.as, d.name)
		return
	}
	if p := d.arg("for"); p != nil && p.Kind == ast.EnumValue {
		l.purpose = p.Raw
	}
	for _, o := range s.links {
		if o.identity == id {
			e.add(codeInvalidLinkUsage, d.pos, "Duplicate inclusion of feature %s in the schema", id)
			return
		}
	}
	l.imports = s.readImports(e, d, d.arg("import"))
	s.links = append(s.links, l)
}

// aliasProblem says what is wrong with the name of a specification, "" when nothing is.
func aliasProblem(as string) string {
	switch {
	case !aliasRE.MatchString(as):
		return "is not a valid GraphQL name"
	case strings.Contains(as, "__"):
		return "contains \"__\""
	case strings.HasSuffix(as, "_"):
		return "ends in \"_\""
	}
	return ""
}

func (s *schema) readImports(e *linkErrors, d *directive, v *ast.Value) []imported {
	if v == nil || v.Kind == ast.NullValue {
		return nil
	}
	if isString(v) {
		// The published composition takes a string for the list of its characters, which only matters where elements are known.
		var out []imported
		for _, r := range v.Raw {
			out = append(out, imported{string(r), string(r)})
		}
		return out
	}
	if v.Kind != ast.ListValue {
		e.add(codeInvalidLinkUsage, d.pos, "Invalid value %s for @link(import:) argument: it should be a list", v)
		return nil
	}
	var out []imported
	for _, c := range v.Children {
		item := c.Value
		if isString(item) || item.Kind == ast.EnumValue {
			out = append(out, imported{item.Raw, item.Raw})
			continue
		}
		if item.Kind != ast.ObjectValue {
			e.add(codeInvalidLinkUsage, d.pos, "Invalid sub-value %s for @link(import:) argument: values should be either strings or input object values of the form { name: \"<importedElement>\", as: \"<alias>\" }.", printValue(item))
			continue
		}
		var i imported
		bad := false
		for _, f := range item.Children {
			switch {
			case f.Name != "name" && f.Name != "as":
				e.add(codeInvalidLinkUsage, d.pos, "Unknown field %q for sub-value %s of @link(import:) argument.", f.Name, printValue(item))
				bad = true
			case !isString(f.Value):
				e.add(codeInvalidLinkUsage, d.pos, "Invalid value for the %q field for sub-value %s of @link(import:) argument: must be a string.", f.Name, printValue(item))
				bad = true
			case f.Name == "name":
				i.name = f.Value.Raw
			default:
				i.as = f.Value.Raw
			}
		}
		if bad {
			continue
		}
		if i.name == "" {
			e.add(codeInvalidLinkUsage, d.pos, "Invalid sub-value %s for @link(import:) argument: missing mandatory \"name\" field.", printValue(item))
			continue
		}
		if i.as == "" {
			i.as = i.name
		}
		if (i.name[0] == '@') != (i.as[0] == '@') {
			e.add(codeInvalidLinkUsage, d.pos, "Invalid @link import renaming: %q and %q must both begin with '@' or both not.", i.name, i.as)
			continue
		}
		out = append(out, i)
	}
	return out
}

// checkLinkNames looks for names that could mean two things.
func (s *schema) checkLinkNames(e *linkErrors) {
	aliases := map[string]*link{}
	for _, l := range s.links {
		if o := aliases[l.as]; o != nil {
			e.add(codeInvalidLinkUsage, l.pos, "Cannot link feature %q as %q since another feature %q already uses that alias. Please rename the feature to avoid conflicts via \"as\".", l.identity, l.as, o.identity)
		}
		aliases[l.as] = l
	}
	byAlias := map[string]*link{}
	elements := map[string]string{}
	for _, l := range s.links {
		byName := map[string]string{}
		for _, i := range l.imports {
			if as, ok := byName[i.name]; ok {
				if as != i.as {
					e.add(codeInvalidLinkUsage, l.pos, "Cannot import %q as %q from feature %q since it was previously imported as %q. Please remove one of these imports.", i.name, i.as, l.identity, as)
				}
				continue
			}
			byName[i.name] = i.as
			if o := byAlias[i.as]; o == l {
				e.add(codeInvalidLinkUsage, l.pos, "Cannot import %q as %q from feature %q since it was previously imported for %q. Please rename the import to avoid conflicts via \"as\".", i.name, i.as, l.identity, elements[i.as])
			} else if o != nil {
				e.add(codeInvalidLinkUsage, l.pos, "Cannot import %q from feature %q since it was previously imported from feature %q. Please rename the import to avoid conflicts via \"as\".", i.as, l.identity, o.identity)
			}
			byAlias[i.as], elements[i.as] = l, i.name
			bare := strings.TrimPrefix(i.as, "@")
			prefix, _, namespaced := strings.Cut(bare, "__")
			if !namespaced {
				prefix = bare
			}
			if o := aliases[prefix]; o == l && (namespaced && l.as+"__"+strings.TrimPrefix(i.name, "@") != bare || !namespaced && strings.HasPrefix(i.as, "@") && i.name != "@"+l.name) {
				e.add(codeInvalidLinkUsage, l.pos, "Cannot import %q as %q from feature %q since it can be confused with a namespaced name of the same feature. Please rename the import to avoid conflicts via \"as\".", i.name, i.as, l.identity)
			} else if o != nil && o != l && (namespaced || strings.HasPrefix(i.as, "@")) {
				e.add(codeInvalidLinkUsage, l.pos, "Cannot import %q from feature %q since it can be confused with a namespaced name from another linked feature %q. Please rename the import or feature to avoid conflicts via \"as\".", i.as, l.identity, o.identity)
			}
		}
	}
}

// checkImports looks for imports of what a known specification does not have.
func (s *schema) checkImports(e *linkErrors, l *link) {
	known := knownElements(l)
	if known == nil {
		return
	}
	for _, i := range l.imports {
		if !known[i.name] {
			e.add(codeInvalidLinkUsage, l.pos, "Cannot import unknown element %q from %s %s.", i.name, l.name, l.version)
		}
	}
}

// knownElements gives the elements that can be imported from a specification of Apollo's, nil for specifications or versions
// that are not known.
func knownElements(l *link) map[string]bool {
	known := map[string]bool{}
	if l.identity == federationIdentity {
		for _, f := range features() {
			if f.since <= l.version.minor {
				known["@"+f.name] = true
			}
		}
		for name, since := range featureTypes() {
			if since <= l.version.minor {
				known[name] = true
			}
		}
		return known
	}
	name, ours := strings.CutPrefix(l.identity, apolloSpecs)
	if !ours {
		return nil
	}
	for _, spec := range knownSpecs() {
		if spec.name != name || l.version.major != 0 && name != "link" || l.version.minor > spec.latest {
			continue
		}
		for _, e := range spec.elements {
			known[e] = true
		}
		return known
	}
	return nil
}

// element finds what a name of the schema means: the linked specification it comes from and its name there. Directives
// are asked for with "@".
func (s *schema) element(name string) (*link, string) {
	for _, l := range s.links {
		for _, i := range l.imports {
			if i.as == name {
				return l, i.name
			}
		}
	}
	at, bare := "", name
	if strings.HasPrefix(name, "@") {
		at, bare = "@", name[1:]
	}
	if prefix, rest, ok := strings.Cut(bare, "__"); ok {
		for _, l := range s.links {
			if l.as == prefix {
				return l, at + rest
			}
		}
	}
	if at != "" {
		for _, l := range s.links {
			if l.as == bare {
				return l, at + l.name
			}
		}
	}
	return nil, ""
}

// local gives the name by which the schema calls an element of a linked specification.
func (l *link) local(name string) string {
	for _, i := range l.imports {
		if i.name == name {
			return strings.TrimPrefix(i.as, "@")
		}
	}
	bare := strings.TrimPrefix(name, "@")
	if bare != name && bare == l.name {
		return l.as
	}
	return l.as + "__" + bare
}

func (s *schema) linkTo(identity string) *link {
	for _, l := range s.links {
		if l.identity == identity {
			return l
		}
	}
	return nil
}

// fedName gives the name by which the schema calls a directive of Federation.
func (s *schema) fedName(name string) string {
	if l := s.linkTo(federationIdentity); l != nil {
		return l.local("@" + name)
	}
	return name
}

// sortedKeys gives the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
