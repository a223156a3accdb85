package catalogue

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"regexp"
	"strings"
)

const imageSize = 640

var imageName = regexp.MustCompile(`^([A-Z0-9-]{3,40})\.svg$`)

// image serves a drawing for a product, made from its SKU alone: the same SKU gives the same drawing everywhere.
func image(w http.ResponseWriter, r *http.Request) {
	m := imageName.FindStringSubmatch(r.PathValue("name"))
	if m == nil {
		http.Error(w, "there is no such image", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = w.Write([]byte(draw(m[1])))
}

func draw(sku string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(sku))
	n := h.Sum64()
	pick := func(of uint64) uint64 { v := n % of; n = n/of + n<<7; return v }
	hue := pick(360)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d" role="img" aria-label="%[2]s"><rect width="%[1]d" height="%[1]d" fill="hsl(%[3]d 28%% 92%%)"/>`, imageSize, sku, hue)
	for i := range 3 {
		x, y, size := 160+pick(320), 160+pick(320), 90+pick(140)
		fill := fmt.Sprintf("hsl(%d 46%% %d%%)", (hue+uint64(i)*38)%360, 38+pick(34))
		switch pick(3) {
		case 0:
			fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="%d" fill="%s" opacity=".85"/>`, x, y, size*3/4, fill)
		case 1:
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" rx="28" fill="%s" opacity=".85"/>`, x-size/2, y-size/2, size, size*4/3, fill)
		default:
			fmt.Fprintf(&b, `<path d="M%d %d l%d %d h-%d z" fill="%s" opacity=".85"/>`, x, y-size, size, size*2, size*2, fill)
		}
	}
	b.WriteString(`</svg>`)
	return b.String()
}
