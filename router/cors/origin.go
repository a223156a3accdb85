package cors

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// pattern is an origin, or several with wildcards. The parts are as browsers serialise them (HTML standard, section 7.1.1):
// in lower case, without the scheme's own port.
type pattern struct {
	scheme string
	labels []string // of the host; an IP address is one. The first may be "*", which stands for one label or more
	port   string   // "" for the scheme's own, "*" for any
}

// example is an origin as it is right.
const example = "https://shop.example"

// parsePattern reads an origin of the configuration. The error says what to write in its place.
func parsePattern(text string) (pattern, error) {
	switch {
	case text == "":
		return pattern{}, errors.New("is empty: write an origin such as " + example)
	case text == "null":
		return pattern{}, errors.New(`"null" is the origin of every local file and sandboxed frame: name an origin such as ` + example)
	case strings.ContainsAny(text, " \t\r\n,"):
		return pattern{}, fmt.Errorf("%q is more than one origin, or has a space in it: write each as an item of its own", text)
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		better := "https://" + text
		if strings.HasPrefix(text, "localhost") || strings.HasPrefix(text, "127.0.0.1") || strings.HasPrefix(text, "[::1]") {
			better = "http://" + text
		}
		return pattern{}, fmt.Errorf("%q has no scheme: write %s", text, better)
	}
	p := pattern{scheme: strings.ToLower(scheme)}
	if !isScheme(p.scheme) {
		return p, fmt.Errorf("%q has no scheme that browsers know: write http or https, without a wildcard", text)
	}
	if i := strings.IndexAny(rest, "/?#\\"); i >= 0 {
		return p, fmt.Errorf("%q never matches, since an origin has no path: write %s", text, scheme+"://"+rest[:i])
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		return p, fmt.Errorf("%q never matches, since an origin has no user: write %s", text, scheme+"://"+rest[i+1:])
	}
	host, port, err := splitPort(rest)
	if err == nil {
		p.port, err = p.portOf(port)
	}
	if err == nil {
		p.labels, err = labelsOf(host)
	}
	if err != nil {
		return p, fmt.Errorf("%q %w", text, err)
	}
	return p, nil
}

// isScheme reports whether text is a scheme in lower case (RFC 3986, section 3.1).
func isScheme(text string) bool {
	for i, r := range text {
		letter := r >= 'a' && r <= 'z'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '+' && r != '-' && r != '.') {
			return false
		}
	}
	return text != ""
}

// splitPort splits what follows the scheme. The port is "" where there is none.
func splitPort(text string) (host, port string, err error) {
	end := strings.LastIndexByte(text, ':')
	if strings.HasPrefix(text, "[") {
		bracket := strings.IndexByte(text, ']')
		if bracket < 0 {
			return "", "", errors.New("has a bracket that is not closed")
		}
		if rest := text[bracket+1:]; rest != "" && rest[0] != ':' {
			return "", "", errors.New("has something between the address and its port")
		}
		if end < bracket {
			end = -1
		}
	}
	if end < 0 {
		return text, "", nil
	}
	if end == len(text)-1 {
		return "", "", errors.New("ends with a colon: write a port, or leave the colon out")
	}
	return text[:end], text[end+1:], nil
}

// portOf returns a port as browsers send it.
func (p *pattern) portOf(port string) (string, error) {
	if port == "" || port == "*" {
		return port, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("has the port %q: write a number from 1 to 65535, or * for any", port)
	}
	if p.scheme == "http" && n == 80 || p.scheme == "https" && n == 443 {
		return "", nil
	}
	return strconv.FormatUint(n, 10), nil
}

// labelsOf returns the labels of a host as browsers send them.
func labelsOf(host string) ([]string, error) {
	if strings.HasPrefix(host, "[") {
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return nil, errors.New("has no IPv6 address in its brackets, such as [::1]")
		}
		return []string{"[" + addr.String() + "]"}, nil
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
		return []string{addr.String()}, nil
	}
	labels := strings.Split(strings.ToLower(host), ".")
	for i, label := range labels {
		if strings.Contains(label, "**") {
			return nil, errors.New("has two wildcards in a row: write one *")
		}
		if !strings.Contains(label, "*") {
			ascii, err := idna.Lookup.ToASCII(label)
			if err != nil && isLabel(label) {
				ascii, err = label, nil // with an underscore, which browsers take
			}
			if err != nil || ascii == "" {
				return nil, fmt.Errorf("has no host such as shop.example: %q is no part of a name", label)
			}
			labels[i] = ascii
		} else if !isLabel(strings.ReplaceAll(label, "*", "x")) {
			return nil, fmt.Errorf("has no host such as *.shop.example: %q is no part of a name", label)
		}
	}
	last := labels[len(labels)-1]
	switch {
	case host == "*":
		return nil, errors.New(`lets every host in: write "*" alone for all origins, or name a domain such as https://*.shop.example`)
	case strings.Contains(last, "*"):
		return nil, errors.New("has a wildcard at the end of the host, where anybody can register a name: name the domain, as in https://*.shop.example")
	case strings.Trim(last, "0123456789") == "":
		return nil, errors.New("has no IP address: write one whole, such as http://127.0.0.1:*")
	}
	return labels, nil
}

// isLabel reports whether text may be a label of a host that a browser sends.
func isLabel(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return text != "" && len(text) <= 63
}

// literal reports whether the pattern is one origin.
func (p pattern) literal() bool { return !strings.Contains(p.String(), "*") }

// String returns the pattern as browsers would send it.
func (p pattern) String() string {
	text := p.scheme + "://" + strings.Join(p.labels, ".")
	if p.port != "" {
		text += ":" + p.port
	}
	return text
}

// matches reports whether an origin, as a browser sends it, is one of the pattern's.
func (p pattern) matches(origin string) bool {
	scheme, rest, ok := strings.Cut(origin, "://")
	if !ok || scheme != p.scheme {
		return false
	}
	host, port, err := splitPort(rest)
	if err != nil || !p.takesPort(port) {
		return false
	}
	if len(p.labels) == 1 { // an IP address, or a name without a dot
		return host == p.labels[0]
	}
	labels := strings.Split(host, ".")
	wanted := p.labels
	if wanted[0] == "*" {
		more := len(labels) - len(wanted)
		if more < 0 {
			return false
		}
		for ; more >= 0; more-- { // the wildcard's own, one or more
			if !isLabel(labels[0]) {
				return false
			}
			labels = labels[1:]
		}
		wanted = wanted[1:]
	}
	if len(labels) != len(wanted) {
		return false
	}
	for i, want := range wanted {
		if labels[i] == want {
			continue
		}
		if match, err := path.Match(want, labels[i]); err != nil || !match || !isLabel(labels[i]) {
			return false
		}
	}
	return true
}

func (p pattern) takesPort(port string) bool {
	if p.port != "*" {
		return port == p.port
	}
	return len(port) <= 5 && strings.Trim(port, "0123456789") == ""
}
