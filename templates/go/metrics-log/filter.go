// Package main is a Proxy-Wasm filter that counts requests by the class of their status, measures how long they take,
// and writes a line of JSON for each. See config.go for what can be chosen.
package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

// A filter is a library: a proxy calls init and then the filter's callbacks, and never main.
func main() {}

func init() {
	proxywasm.SetPluginContext(func(uint32) types.PluginContext { return &plugin{} })
}

// plugin is the filter at one place in the proxy.
type plugin struct {
	types.DefaultPluginContext
	config
	requests requestCounters
	labels   []*labelCounters
	duration proxywasm.MetricHistogram
	inFlight proxywasm.MetricGauge
}

// OnPluginStart reads the configuration. A proxy that is told "failed" refuses the filter.
func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	choices, err := readChoices(size)
	if err != nil {
		proxywasm.LogErrorf("metrics_log: configuration refused: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.config = choices
	p.requests = requestCounters{prefix: choices.StatPrefix}
	for _, label := range choices.Labels {
		p.labels = append(p.labels, newLabelCounters(choices.StatPrefix, label))
	}
	p.duration = proxywasm.DefineHistogramMetric(choices.StatPrefix + ".duration_ms")
	p.inFlight = proxywasm.DefineGaugeMetric(choices.StatPrefix + ".in_flight")
	return types.OnPluginStartStatusOK
}

// NewHttpContext is called once per request.
func (p *plugin) NewHttpContext(uint32) types.HttpContext { return &stream{plugin: p} }

// stream is one request and its response.
type stream struct {
	types.DefaultHttpContext
	plugin *plugin
	// began is when the request came; zero when another filter answered before this one saw it.
	began time.Time
	// status is that of the response, 0 as long as there is none.
	status int
	// counters are those of the request's labels.
	counters []*requestCounters
	// texts are what the access log shows of the request, one for each column; nil what is not there.
	texts []*string
	// duration is in milliseconds, and known at the end.
	duration int64
}

// OnHttpRequestHeaders keeps what is needed at the end, when the request is gone.
func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	s.began = time.Now()
	s.plugin.inFlight.Add(1)
	for _, label := range s.plugin.labels {
		s.counters = append(s.counters, label.of(requestHeader(label.header)))
	}
	s.keepTexts()
	return types.ActionContinue
}

// OnHttpResponseHeaders notes the status that the client gets.
func (s *stream) OnHttpResponseHeaders(int, bool) types.Action {
	if status, err := proxywasm.GetHttpResponseHeader(":status"); err == nil {
		s.status, _ = strconv.Atoi(status)
	}
	return types.ActionContinue
}

// OnHttpStreamDone counts the request and writes its line.
func (s *stream) OnHttpStreamDone() {
	if s.began.IsZero() {
		return
	}
	s.duration = time.Since(s.began).Milliseconds()
	s.plugin.inFlight.Add(-1)
	s.plugin.duration.Record(uint64(s.duration))
	s.plugin.requests.count(s.status)
	for _, counters := range s.counters {
		counters.count(s.status)
	}
	if len(s.texts) > 0 {
		proxywasm.LogInfo(s.line())
	}
}

// requestHeader is the value of a request header, nil when there is none.
func requestHeader(name string) *string {
	value, err := proxywasm.GetHttpRequestHeader(name)
	if err != nil {
		return nil
	}
	return &value
}

// sourceIP is the client's address, without port and brackets; nil when the proxy does not know it.
func sourceIP() *string {
	address, err := proxywasm.GetProperty([]string{"source", "address"})
	if err != nil {
		return nil
	}
	ip := string(address)
	if colon := strings.LastIndexByte(ip, ':'); colon > strings.LastIndexByte(ip, ']') {
		ip = ip[:colon]
	}
	ip = strings.Trim(ip, "[]")
	return &ip
}
