package server

import (
	"math/bits"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// costBuckets is how many buckets a histogram of costs has: powers of 4 from 1 to 4^11, about four million, and beyond.
const costBuckets = 12

// costHistogram counts costs for Prometheus. It takes a few instructions a cost, where the client's own histogram takes
// as many as all else that demand control does in a request.
type costHistogram struct {
	desc   *prometheus.Desc
	counts [costBuckets + 1]atomic.Uint64
	sum    atomic.Uint64
}

func newCostHistogram(name, help string) *costHistogram {
	return &costHistogram{desc: prometheus.NewDesc(name, help, nil, nil)}
}

// observe counts a cost.
func (h *costHistogram) observe(cost float64) {
	c := uint64(cost)
	bucket := 0
	if c > 1 {
		bucket = min((bits.Len64(c-1)+1)/2, costBuckets)
	}
	h.counts[bucket].Add(1)
	h.sum.Add(c)
}

// Describe implements prometheus.Collector.
func (h *costHistogram) Describe(to chan<- *prometheus.Desc) { to <- h.desc }

// Collect implements prometheus.Collector.
func (h *costHistogram) Collect(to chan<- prometheus.Metric) {
	buckets := make(map[float64]uint64, costBuckets)
	count := uint64(0)
	for i := range costBuckets {
		count += h.counts[i].Load()
		buckets[float64(uint64(1)<<(2*i))] = count
	}
	count += h.counts[costBuckets].Load()
	to <- prometheus.MustNewConstHistogram(h.desc, count, float64(h.sum.Load()), buckets)
}
