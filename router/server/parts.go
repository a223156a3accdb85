package server

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lethe/lethe/router/execute"
)

// partsForm is a form of multipart/mixed in which a response is sent in parts (RFC 1341, section 7.2, with a hyphen for the
// boundary, as the draft on incremental delivery over HTTP has it).
type partsForm struct {
	form        execute.Form
	contentType []string
}

var (
	// deferForm is what Apollo's clients ask for as deferSpec=20220824, and what is read by those who ask for no form.
	deferForm = &partsForm{execute.Form2022, []string{multipartType + `;boundary="-";deferSpec=20220824`}} //nolint:gochecknoglobals // a constant
	// incrementalForm announces what is to come.
	incrementalForm = &partsForm{execute.FormPending, []string{multipartType + `;boundary="-";incrementalSpec=v0.2`}} //nolint:gochecknoglobals // a constant
)

// partsAccepted gives the form in which a client takes a response in parts, the one that it wants most, nil where it takes
// none.
func partsAccepted(accept []string) *partsForm {
	var best *partsForm
	most := 0.0
	for _, line := range accept {
		if !strings.Contains(line, multipartType) {
			continue
		}
		for part := range strings.SplitSeq(line, ",") {
			media, params, err := mime.ParseMediaType(part)
			if err != nil || media != multipartType {
				continue
			}
			var form *partsForm
			switch {
			case params["deferspec"] == "20220824":
				form = deferForm
			case params["incrementalspec"] == "v0.2":
				form = incrementalForm
			case params["deferspec"] == "" && params["incrementalspec"] == "" && params["subscriptionspec"] == "":
				form = deferForm
			default:
				continue
			}
			q := 1.0
			if v, err := strconv.ParseFloat(params["q"], 64); err == nil {
				q = v
			}
			if q > most {
				best, most = form, q
			}
		}
	}
	return best
}

// patience is how long a client may take over a part.
const patience = time.Minute

// sendParts answers with the initial response, and with deferred parts as they are ready. Where nothing turns out to be
// deferred the response is like any other.
func (s *Server) sendParts(ctx context.Context, x *exchange, e *engine, program *execute.Program, req execute.Request) {
	control := http.NewResponseController(x.w)
	begun := false
	outcome, err := e.execute.ExecuteIncremental(ctx, program, req, x.parts.form, func(payload []byte, last bool) error {
		if last && !begun {
			x.send(http.StatusOK, payload)
			x.bytes = len(payload)
			return nil
		}
		x.out = x.out[:0]
		if !begun {
			begun, x.status = true, http.StatusOK
			h := x.w.Header()
			h["Content-Type"] = x.parts.contentType
			h["Cache-Control"] = []string{"no-cache, no-transform"}
			h["X-Accel-Buffering"] = []string{"no"} // proxies in front of us pass on what they get
			x.w.WriteHeader(http.StatusOK)
			x.out = append(x.out, "\r\n---\r\n"...)
		}
		x.out = append(x.out, "Content-Type: application/json; charset=utf-8\r\n\r\n"...)
		if err := control.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if len(payload) >= longFrom { // no other copy of it
			for _, b := range [][]byte{x.out, payload} {
				n, err := x.w.Write(b)
				if x.streamed += n; err != nil {
					return err
				}
			}
			x.out = x.out[:0]
		} else {
			x.out = append(x.out, payload...)
		}
		// A client has a part when it meets the boundary after it, so that goes along.
		x.out = append(x.out, "\r\n---"...)
		if last {
			x.out = append(x.out, "--"...)
		}
		x.out = append(x.out, "\r\n"...)
		n, err := x.w.Write(x.out)
		x.streamed += n
		if err != nil {
			return err
		}
		return control.Flush()
	})
	x.errors = outcome.Errors
	if begun {
		x.out = x.out[:0] // what was streamed is counted by itself
		_ = control.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		s.log.DebugContext(ctx, "a response in parts was not read to its end", "request_id", x.id, "reason", err)
	}
}
