package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// certified asks for the erasure in the path with its certificate.
func (c *console) certified(r *http.Request, s *session) (*erasure, error) {
	var out struct{ Erasure *erasure }
	gaps, err := c.graph.do(r.Context(), s.Token, "Certificate", byID{r.PathValue("id")}, &out)
	switch {
	case err != nil:
		return nil, err
	case out.Erasure != nil && out.Erasure.Certificate != nil:
		return out.Erasure, nil
	case len(gaps) > 0:
		return nil, &fault{code: gaps[0].Code, requestID: gaps[0].RequestID}
	}
	return nil, fmt.Errorf("certificate: %w", errNotFound)
}

// certificateFile gives the certificate as it was signed, to the byte.
func (c *console) certificateFile(w http.ResponseWriter, r *http.Request, s *session) error {
	e, err := c.certified(r, s)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fileName(e.ID)))
	_, _ = io.WriteString(w, e.Certificate.Document)
	return nil
}

// fileName is what a certificate is called when it is kept.
func fileName(id string) string { return "erasure-certificate-" + id + ".json" }

// certificateView is the page of a certificate.
type certificateView struct {
	erasure
	InTime  bool
	Changed int
	Waived  []step
	Lines   []node
	File    string
}

// certificatePage shows a certificate in words, with every line of the signed document below.
func (c *console) certificatePage(w http.ResponseWriter, r *http.Request, s *session) error {
	e, err := c.certified(r, s)
	if err != nil {
		return err
	}
	v := certificateView{erasure: *e, File: fileName(e.ID)}
	v.InTime = e.CompletedAt != nil && !e.CompletedAt.After(e.DueAt)
	for _, st := range e.Steps {
		if st.Changed != nil {
			v.Changed += *st.Changed
		}
		if st.Status == "WAIVED" {
			v.Waived = append(v.Waived, st)
		}
	}
	if v.Lines, err = readDocument(e.Certificate.Document); err != nil {
		c.log.Warn("read a certificate's document", "erasure", e.ID, "error", err)
	}
	c.render(w, r, s, http.StatusOK, "certificate", "Certificate of erasure "+e.ID, v)
	return nil
}

// node is a value of a JSON document, in the document's order.
type node struct {
	Name  string     // of a member of an object, in words; "" for an item of a list
	Text  string     // of a plain value
	At    *time.Time // of a plain value that is a time
	Nodes []node     // of an object or a list
	List  bool
}

const maxDepth = 16

// readDocument reads a JSON object into nodes.
func readDocument(document string) ([]node, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(document)))
	d.UseNumber()
	n, err := readNode(d, 0)
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	return n.Nodes, nil
}

func readNode(d *json.Decoder, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errors.New("it is nested too deeply")
	}
	token, err := d.Token()
	if err != nil {
		return node{}, err
	}
	switch t := token.(type) {
	case json.Delim:
		n := node{List: t == '['}
		for d.More() {
			name := ""
			if !n.List {
				key, err := d.Token()
				if err != nil {
					return node{}, err
				}
				name = capital(humanise(fmt.Sprint(key)))
			}
			child, err := readNode(d, depth+1)
			if err != nil {
				return node{}, err
			}
			child.Name = name
			n.Nodes = append(n.Nodes, child)
		}
		_, err := d.Token() // the closing bracket
		return n, err
	case string:
		n := node{Text: t}
		if at, err := time.Parse(time.RFC3339, t); err == nil {
			n.At = &at
		}
		return n, nil
	case bool:
		if t {
			return node{Text: "yes"}, nil
		}
		return node{Text: "no"}, nil
	case nil:
		return node{Text: "none"}, nil
	}
	return node{Text: fmt.Sprint(token)}, nil
}

// Plain says whether a list holds plain values only, which fit on a line.
func (n node) Plain() bool {
	for _, c := range n.Nodes {
		if c.Nodes != nil || c.List {
			return false
		}
	}
	return true
}
