package http1_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The parts that requests are made of, well and badly: the grammar of RFC 9112 and RFC 9110 and what is known to be read
// in two ways by two servers.
var (
	requestLines = []string{
		"POST /graphql HTTP/1.1", "post /graphql HTTP/1.1", "PoST /graphql HTTP/1.1", "POST  /graphql HTTP/1.1", "POST /graphql  HTTP/1.1", "POST /graphql HTTP/1.1 ",
		" POST /graphql HTTP/1.1", "POST\t/graphql\tHTTP/1.1", "POST /graphql\tHTTP/1.1", "POST /graphql HTTP/1.0", "POST /graphql HTTP/1.2", "POST /graphql HTTP/1.10",
		"POST /graphql HTTP/2.0", "POST /graphql HTTP/0.9", "POST /graphql http/1.1", "POST /graphql HTTP/1,1", "POST /graphql HTTP/ 1.1", "POST /graphql HTTP/1.1\r", "POST /graphql",
		"POST http://h/graphql HTTP/1.1", "POST https://h/graphql HTTP/1.1", "POST http://other/graphql HTTP/1.1", "POST HTTP://H/graphql HTTP/1.1", "POST http:///graphql HTTP/1.1", "POST h:80 HTTP/1.1",
		"POST * HTTP/1.1", "POST /graphql? HTTP/1.1", "POST /graphql#x HTTP/1.1", "POST /graphql%20 HTTP/1.1", "POST /%67raphql HTTP/1.1", "POST //graphql HTTP/1.1", "POST /./graphql HTTP/1.1", "POST /x/../graphql HTTP/1.1",
		"POST /GRAPHQL HTTP/1.1", "POST /graph\x00ql HTTP/1.1", "POST /graphql\x00 HTTP/1.1", "POST /graphql\x7f HTTP/1.1", "POST /graphql/ HTTP/1.1", "POST graphql HTTP/1.1", "POST /graph ql HTTP/1.1", "POST /grä HTTP/1.1",
		"GET /graphql HTTP/1.1", "GET /graphql?query=x HTTP/1.1", "HEAD /graphql HTTP/1.1", "PUT /graphql HTTP/1.1", "TRACE /graphql HTTP/1.1", "OPTIONS * HTTP/1.1", "CONNECT h:80 HTTP/1.1", "POSTS /graphql HTTP/1.1", "P /graphql HTTP/1.1", "", "PRI * HTTP/2.0", "\x16\x03\x01 /graphql HTTP/1.1", "P@ST /graphql HTTP/1.1",
	}
	lengths = []string{
		"Content-Length: 5", "Content-Length:5", "Content-Length:  5  ", "Content-Length:\t5", "content-length: 5", "CONTENT-LENGTH: 5", "Content-Length: 05", "Content-Length: 000000000000000005", "Content-Length: 0", "Content-Length: 4", "Content-Length: 6",
		"Content-Length:", "Content-Length: ", "Content-Length:\t", "Content-Length: +5", "Content-Length: -5", "Content-Length: 5,5", "Content-Length: 5, 5", "Content-Length: 5, 6", "Content-Length: ,5", "Content-Length: 5,", "Content-Length: 5;5", "Content-Length: 5 5", "Content-Length: 5a",
		"Content-Length: a5", "Content-Length: 0x5", "Content-Length: 5.0", "Content-Length: 5e0", "Content-Length: 5_0", "Content-Length: \"5\"", "Content-Length: '5'", "Content-Length: 5\x00", "Content-Length: 5\x0b", "Content-Length: \x0c5", "Content-Length: 5\r", "Content-Length: \r5", "Content-Length: 18446744073709551621",
		"Content-Length: 9223372036854775813", "Content-Length: 99999999999999999999999", "Content-Length: 4294967301", "Content-Length: ٥", "Content-Length: ５", "Content-Length: \xa05", "Content-Length : 5", "Content-Length\t: 5", " Content-Length: 5", "\tContent-Length: 5", "Content-Length\x00: 5", "Content_Length: 5", "Content-Length", "Content-Length 5",
		"Content--Length: 5", "X-Content-Length: 5", "Content-Length:\r\n 5", "Content-Length: 5\r\n 6", "X: y\nContent-Length: 5", "X: y\rContent-Length: 5", "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 6", "Content-Length:\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length:", "Content-Length: 0\r\nContent-Length: 5",
		"Content-Length: 5\r\nContent-Length: 0", "Content-Length: 5\r\nContent-Length: 05", "Content-Length: 5\r\ncontent-length: 24", "Content-Length: -0", "Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 6", "",
	}
	codings = []string{
		"", "Transfer-Encoding: chunked", "Transfer-Encoding:chunked", "Transfer-Encoding: Chunked", "Transfer-Encoding: CHUNKED", "Transfer-Encoding:  chunked ", "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunked,", "Transfer-Encoding: ,chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
		"Transfer-Encoding: identity", "Transfer-Encoding: identity, chunked", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: xchunked", "Transfer-Encoding: x", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: 'chunked'", "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: chunked\x0b", "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: ch\x00unked",
		"Transfer-Encoding: chunked\r", "Transfer-Encoding: \rchunked", "Transfer-Encoding:", "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", " Transfer-Encoding: chunked", "Transfer_Encoding: chunked", "Transfer-Encoding", "Transfer-Encoding:\r\n chunked", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "X: y\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "X: \r\n Transfer-Encoding: chunked", "transfer-encoding: chunked", "Transfer-Encoding\x00: chunked", "Trаnsfer-Encoding: chunked", "Transfer-Encoding: chunKed", "TE: chunked", "TE: trailers", "Trailer: X",
	}
	hostLines = []string{
		"Host: h", "Host:h", "host: h", "HOST: h", "Host: h:80", "Host: h:port", "Host: [::1]", "Host: [::1]:80", "Host: ::1", "Host: 127.0.0.1", "Host: a_b", "Host: h.", "Host:", "Host: ", "", "Host: a b/c", "Host: <script>", "Host: h,h2", "Host: u@h", "Host: h/path", "Host: h?x", "Host: h#x", "Host: h\\", "Host: h%41", "Host: \"h\"", "Host: h\tx", "Host: hö", "Host: h\x00", "Host: h\r",
		"Host : h", " Host: h", "Host: h\r\nHost: h", "Host: h\r\nHost: g", "Host:\r\nHost: h", "Host: h\r\nHost:", "Host: h\r\n x", "Host: h;g", "Host: (h)", "Host: h:80:80", "Host: h!$&'*+=~", "X: y\nHost: h", "Host: |", "Host: `h`", "Host: {h}", "Host: ^",
	}
	typeLines = []string{
		"Content-Type: application/json", "content-type:application/json", "Content-Type: application/json; charset=utf-8", "Content-Type: application/json;charset=latin1", "Content-Type: APPLICATION/JSON", "Content-Type: application/jsonx", "Content-Type: application/json, text/plain", "Content-Type: text/plain", "Content-Type:", "Content-Type: application/json\r\nContent-Type: text/plain", "Content-Type: text/plain\r\nContent-Type: application/json", "Content-Type: application/json\x00", "Content-Type : application/json",
	}
	otherLines = []string{
		"", "", "Accept: */*", "Accept: text/event-stream", "Accept: TEXT/EVENT-STREAM", "Accept: multipart/mixed", "Accept: Multipart/Mixed", "Connection: close", "Connection: Close", "Connection: keep-alive", "Connection: Keep-Alive", "Connection: keep-alive, close", "Connection: close, keep-alive", "Connection: keep-alive\r\nConnection: close", "Connection: keep-alive\r\nConnection: keep-alive", "Connection: Content-Length", "Connection: Host", "Connection: upgrade", "Connection:", "Connection: x",
		"Proxy-Connection: close", "Keep-Alive: timeout=5", "Expect: 100-continue", "Expect: 100-Continue", "Expect: x", "Expect:", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__", "Upgrade: websocket\r\nConnection: Upgrade", "Upgrade: x", "HTTP2-Settings: AAMAAABkAAQAAP__", "Pragma: no-cache", "Pragma: no-cache\r\nCache-Control: max-age=1", "Cache-Control: no-store",
		"X", ": x", "X y: z", "X\t: y", "X : y", "X: a\x00b", "X: a\x7fb", "X: a\x01b", "X: a\x80b", "X: aéb", "X: a\rb", "X: a\r\n b", "X: a\r\n\tb", " X: a", "X: ", "X:", "X:y", "X:\ty\t", "X(y): z", "X\"y\": z", "Xé: y", "X: y\r", "x-a: 1\r\nX-A: 2", "X-Pieces: 1", "X-Long: 1", "Cookie: a=b\r\nCookie: c=d", "Date: x", "Content-Encoding: x", "X_Y: z", "X.Y~`^|: z", "-: x", "X: " + strings.Repeat("y", 5000), strings.Repeat("X: y\r\n", 300) + "Z: z", ":path: /x", "X\x00: y", "X: y\x0b", "X: y\x0c",
		"X-Forwarded-Host: evil", "Content-Length-: 7", "Range: bytes=0-", "Transfer-Encoding-: chunked", "A: b\n", "A: b\nC: d", "\n", "\r",
	}
	bodies = []string{
		"hello", "", "hell", "hello!", "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "05\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0\r\n\r\n", "5;a=\"b\"\r\nhello\r\n0\r\n\r\n", "5;\r\nhello\r\n0;x\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n",
		"5\r\nhello0\r\n\r\n", "5\r\nhello\r\n0\r\nX: y\r\n\r\n", "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", "5\r\nhello\r\n00\r\n\r\n", "5;a\rb\r\nhello\r\n0\r\n\r\n", "5;a\nb\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nX\r\n\r\n", "\r\n5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n\r\n0\r\n\r\n", "g\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n", "5\r\nhe", "5;" + strings.Repeat("x", 5000) + "\r\nhello\r\n0\r\n\r\n",
	}
	between = []string{"", "\r\n", "\n", "\r\n\r\n", "\r\n\r\n\r\n", "\r", "\r\r", "\n\n\n\n", "\n\n\n\n\n", " ", "\x00", "\r\nX: y\r\n", "\t", "0\r\n\r\n"}
)

// request joins the parts of a request, without the lines that are empty.
func request(line string, rest ...string) string {
	b := line + "\r\n"
	for _, r := range rest[:len(rest)-1] {
		if r != "" {
			b += r + "\r\n"
		}
	}
	return b + "\r\n" + rest[len(rest)-1]
}

// table is each part in a request that is right in all others, with another behind it, and what is known to be read in two
// ways where two parts come together.
func table() map[string]string {
	out := map[string]string{}
	add := func(kind string, list []string, make func(string) string) {
		for _, one := range list {
			out[fmt.Sprintf("%s %.60q", kind, one)] = make(one)
		}
	}
	const line, host, kind, five = "POST /graphql HTTP/1.1", "Host: h", "Content-Type: application/json", "Content-Length: 5"
	add("line", requestLines, func(l string) string { return request(l, host, kind, five, "hello") + post1 })
	add("length", lengths, func(l string) string { return request(line, host, kind, l, "hello") + post1 })
	add("length last", lengths, func(l string) string { return request(line, l, host, kind, "hello") + post2 })
	add("length in the second", lengths, func(l string) string { return post1 + request(line, host, kind, l, "hello") + post1 })
	add("coding", codings, func(c string) string { return request(line, host, kind, c, "5\r\nhello\r\n0\r\n\r\n") + post1 })
	add("coding after a length", codings, func(c string) string { return request(line, host, kind, five, c, "0\r\n\r\n") + post1 })
	add("coding before a length", codings, func(c string) string {
		return request(line, host, kind, c, "Content-Length: 4", "5\r\nhello\r\n0\r\n\r\n") + post1
	})
	add("coding of an older version", codings, func(c string) string { return request("POST /graphql HTTP/1.0", host, kind, c, five, "0\r\n\r\n") })
	add("host", hostLines, func(h string) string { return request(line, h, kind, five, "hello") + post1 })
	add("host of an absolute target", hostLines, func(h string) string {
		return request("POST http://h/graphql HTTP/1.1", h, kind, five, "hello") + post1
	})
	add("type", typeLines, func(k string) string { return request(line, host, k, five, "hello") + post1 })
	add("other", otherLines, func(o string) string { return request(line, host, kind, five, o, "hello") + post1 })
	add("other first", otherLines, func(o string) string { return request(line, o, host, kind, five, "hello") + post1 })
	add("body of a length", bodies, func(b string) string { return request(line, host, kind, five, b) + post1 })
	add("body in chunks", bodies, func(b string) string {
		return request(line, host, kind, "Transfer-Encoding: chunked", b) + post1
	})
	add("between", between, func(b string) string { return post1 + b + post2 + b + post1 })
	add("before", between, func(b string) string { return b + post1 })
	add("before another", between, func(b string) string { return post1 + b + "GET /graphql?query=x HTTP/1.1\r\nHost: h\r\n\r\n" + post1 })
	add("smuggled behind a length of none", requestLines, func(l string) string {
		return request(line, host, kind, "Content-Length: 0", "") + request(l, host, kind, five, "hello")
	})
	add("a GET with a body", lengths, func(l string) string {
		return request("GET /graphql HTTP/1.1", host, l, "") + post1
	})
	return out
}

// TestTable has each request of the table answered as net/http answers it: refused where it refuses, and with the same
// meaning where it does not.
func TestTable(t *testing.T) {
	t.Parallel()
	ours, _ := serve(t, true, echo)
	theirs, _ := serve(t, false, echo)
	all := table()
	if len(all) < 150 {
		t.Errorf("the table has %d requests", len(all))
	}
	for name, raw := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compare(t, ours, theirs, raw)
		})
	}
}

// compare fails where the verdicts differ. What is cut short by the end of the connection is refused with a 400 or without
// a word: which of the two, and whether a reset takes the word with it, depends on how much net/http has read ahead.
func compare(t *testing.T, ours, theirs, raw string) {
	t.Helper()
	var want []string
	for range 10 { // an answer that is lost is none that can be compared with
		if want = converse(t, theirs, []byte(raw), false); len(want) == 0 || want[len(want)-1] != "cut" {
			break
		}
	}
	got := agreed(t, ours, []byte(raw), false, want)
	const refused = "400  400 Bad Request"
	ended := func(answers []string) []string {
		if n := len(answers); n > 0 && answers[n-1] == "cut" {
			answers = answers[:n-1]
		}
		if n := len(answers); n == 0 || answers[n-1] != refused {
			answers = append(slices.Clone(answers), refused)
		}
		return answers
	}
	if slices.Equal(ended(got), ended(want)) {
		return
	}
	if !slices.Equal(got, want) {
		t.Errorf("sent %.400q\ngot  %.300q\nwant %.300q", raw, got, want)
	}
}

// compose makes requests of the parts, as pick draws them. Most parts are right, so that what is wrong is reached.
func compose(pick func(n int) int) string {
	part := func(list []string) string {
		if pick(3) > 0 {
			return list[0]
		}
		return list[pick(len(list))]
	}
	var out strings.Builder
	for range 1 + pick(3) {
		lines := []string{part(hostLines), part(typeLines), part(lengths), part(codings), part(otherLines), part(otherLines)}
		for i := range lines {
			j := i + pick(len(lines)-i)
			lines[i], lines[j] = lines[j], lines[i]
		}
		out.WriteString(request(part(requestLines), append(lines, part(bodies))...))
		out.WriteString(part(between))
	}
	return out.String()
}

// TestComposed asks at random.
func TestComposed(t *testing.T) {
	t.Parallel()
	ours, _ := serve(t, true, echo)
	theirs, _ := serve(t, false, echo)
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	for range 2000 {
		if compare(t, ours, theirs, compose(r.IntN)); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// FuzzComposed asks as the fuzzer draws.
func FuzzComposed(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 30 {
		seed := make([]byte, 40)
		for i := range seed {
			seed[i] = byte(r.Uint32())
		}
		f.Add(seed)
	}
	ours, _ := serve(f, true, echo)
	theirs, _ := serve(f, false, echo)
	f.Fuzz(func(t *testing.T, drawn []byte) {
		compare(t, ours, theirs, compose(func(n int) int {
			if len(drawn) == 0 {
				return 0
			}
			d := int(drawn[0])
			drawn = drawn[1:]
			return d % n
		}))
	})
}
