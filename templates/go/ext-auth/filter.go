// Package main is a Proxy-Wasm filter that asks another service whether a request may pass. The request waits for the
// answer: 2xx lets it pass, 3xx and 4xx go to the client, anything else means that there is no usable answer.
package main

import (
	"slices"
	"strconv"
	"strings"

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
	allowed, denied, failed proxywasm.MetricCounter
}

// OnPluginStart reads the configuration. A proxy that is told "failed" refuses the filter.
func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	settings, err := readSettings(size)
	if err != nil {
		proxywasm.LogErrorf("ext_auth: configuration refused: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.config = settings
	p.allowed = proxywasm.DefineCounterMetric("ext_auth.allowed")
	p.denied = proxywasm.DefineCounterMetric("ext_auth.denied")
	p.failed = proxywasm.DefineCounterMetric("ext_auth.failed")
	return types.OnPluginStartStatusOK
}

// NewHttpContext is called once per request.
func (p *plugin) NewHttpContext(uint32) types.HttpContext { return &stream{plugin: p} }

// stream is one request and its response.
type stream struct {
	types.DefaultHttpContext
	plugin *plugin
}

// OnHttpRequestHeaders asks the service, unless the path is one to be skipped.
func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	p := s.plugin
	request, err := proxywasm.GetHttpRequestHeaders()
	if err != nil {
		proxywasm.LogErrorf("ext_auth: cannot read the request: %v", err)
	}
	p.removeForged(request)
	path, _, _ := strings.Cut(first(request, ":path"), "?")
	if slices.Contains(p.Skip, path) {
		return types.ActionContinue
	}
	if _, err := proxywasm.DispatchHttpCall(p.Cluster, p.question(request), nil, nil, p.TimeoutMs, s.onAnswer); err != nil {
		proxywasm.LogWarnf("ext_auth: cluster %s cannot be called", p.Cluster)
		if p.failsOpen() {
			return types.ActionContinue
		}
		p.answerFailed()
	}
	return types.ActionPause
}

// onAnswer is called when the service has answered, or the time is over: that is an answer 504 of the proxy. It is not
// called for a request that is gone.
func (s *stream) onAnswer(_, bodySize, _ int) {
	p := s.plugin
	answer, err := proxywasm.GetHttpCallResponseHeaders()
	if err != nil {
		proxywasm.LogErrorf("ext_auth: cannot read the answer: %v", err)
	}
	status, _ := strconv.Atoi(first(answer, ":status"))
	switch {
	case status >= 200 && status <= 299:
		p.allowed.Increment(1)
		for _, header := range pick(answer, p.UpstreamHeaders) {
			if err := proxywasm.AddHttpRequestHeader(header[0], header[1]); err != nil {
				proxywasm.LogErrorf("ext_auth: cannot add %s: %v", header[0], err)
			}
		}
		resume()
	case status >= 300 && status <= 499:
		p.denied.Increment(1)
		var body []byte
		if bodySize > 0 {
			body, _ = proxywasm.GetHttpCallResponseBody(0, bodySize)
		}
		reply(uint32(status), pick(answer, p.ClientHeaders), body)
	default:
		proxywasm.LogWarnf("ext_auth: cluster %s answered %d", p.Cluster, status)
		if p.failsOpen() {
			resume()
		} else {
			p.answerFailed()
		}
	}
}

// failsOpen counts a question without a usable answer, and tells whether the request passes all the same.
func (p *plugin) failsOpen() bool {
	p.failed.Increment(1)
	return p.FailOpen
}

func (p *plugin) answerFailed() {
	text := []byte("the authorization service did not answer\n")
	reply(p.StatusOnError, [][2]string{{"content-type", "text/plain"}}, text)
}

func reply(status uint32, headers [][2]string, body []byte) {
	if err := proxywasm.SendHttpResponse(status, headers, body, -1); err != nil {
		proxywasm.LogErrorf("ext_auth: cannot answer: %v", err)
	}
}

func resume() {
	if err := proxywasm.ResumeHttpRequest(); err != nil {
		proxywasm.LogErrorf("ext_auth: cannot let the request pass: %v", err)
	}
}
