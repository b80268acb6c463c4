package main

import (
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// requestCounters counts requests by the class of their status. A counter is made when it is needed first.
type requestCounters struct {
	prefix  string
	made    [len(classes)]bool
	counter [len(classes)]proxywasm.MetricCounter
}

var classes = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

func (c *requestCounters) count(status int) {
	class := status / 100
	if class < 0 || class >= len(classes) {
		class = 0
	}
	if !c.made[class] {
		c.counter[class] = proxywasm.DefineCounterMetric(c.prefix + ".requests." + classes[class])
		c.made[class] = true
	}
	c.counter[class].Increment(1)
}

// labelCounters counts requests by the values of a header. Only configured values have counters of their own: clients
// cannot make metrics.
type labelCounters struct {
	header      string
	values      map[string]*requestCounters
	other, none *requestCounters
}

func newLabelCounters(prefix string, label labelConfig) *labelCounters {
	counters := func(value string) *requestCounters {
		return &requestCounters{prefix: prefix + "." + label.Name + "." + value}
	}
	values := make(map[string]*requestCounters, len(label.Values))
	for _, value := range label.Values {
		values[value] = counters(value)
	}
	return &labelCounters{header: label.Header, values: values, other: counters("other"), none: counters("none")}
}

// of are the counters for a value of the header, which is nil where there is no such header.
func (l *labelCounters) of(value *string) *requestCounters {
	if value == nil {
		return l.none
	}
	if counters, listed := l.values[*value]; listed {
		return counters
	}
	return l.other
}
