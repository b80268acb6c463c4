// Package main is a Proxy-Wasm filter that searches and replaces in the bodies of responses while they pass. It holds
// back no more of a body than could be the beginning of a match.
package main

import (
	"slices"
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
	rules        rules
	replacements proxywasm.MetricCounter
}

// OnPluginStart reads the configuration. A proxy that is told "failed" refuses the filter.
func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	settings, err := readSettings(size)
	if err != nil {
		proxywasm.LogErrorf("body_rewrite: configuration refused: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.config, p.rules = settings, newRules(settings.Rules)
	p.replacements = proxywasm.DefineCounterMetric("body_rewrite.replacements")
	return types.OnPluginStartStatusOK
}

// NewHttpContext is called once per request.
func (p *plugin) NewHttpContext(uint32) types.HttpContext { return &stream{plugin: p} }

// stream is one request and its response.
type stream struct {
	types.DefaultHttpContext
	plugin *plugin
	// rewrites tells whether the body of this response is one to be searched.
	rewrites bool
	// held is what may be the beginning of a match, kept for the next piece.
	held []byte
}

// OnHttpRequestHeaders asks for a body that can be searched, when told to.
func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	if s.plugin.AskForPlain {
		report(proxywasm.RemoveHttpRequestHeader("accept-encoding"))
		report(proxywasm.RemoveHttpRequestHeader("range"))
	}
	return types.ActionContinue
}

// OnHttpResponseHeaders decides whether the body is searched. If so, nobody knows its length yet.
func (s *stream) OnHttpResponseHeaders(int, bool) types.Action {
	headers, err := proxywasm.GetHttpResponseHeaders()
	report(err)
	if s.rewrites = s.plugin.searches(headers); !s.rewrites {
		return types.ActionContinue
	}
	report(proxywasm.RemoveHttpResponseHeader("content-length"))
	report(proxywasm.RemoveHttpResponseHeader("accept-ranges"))
	if etag := first(headers, "etag"); etag != "" && !strings.HasPrefix(etag, "W/") {
		report(proxywasm.ReplaceHttpResponseHeader("etag", "W/"+etag))
	}
	return types.ActionContinue
}

// OnHttpResponseBody searches a piece, together with what is left of the one before.
func (s *stream) OnHttpResponseBody(size int, endOfStream bool) types.Action {
	if !s.rewrites {
		return types.ActionContinue
	}
	var piece []byte
	if size > 0 {
		var err error
		if piece, err = proxywasm.GetHttpResponseBody(0, size); err != nil {
			report(err)
			return types.ActionContinue
		}
	}
	text := piece
	if len(s.held) > 0 {
		text = slices.Concat(s.held, piece)
	}
	passes, found, held := s.plugin.rules.apply(text, endOfStream)
	if found > 0 || len(passes) != len(piece) || len(s.held) > 0 {
		report(proxywasm.ReplaceHttpResponseBody(passes))
	}
	s.held = held
	if found > 0 {
		s.plugin.replacements.Increment(uint64(found))
	}
	return types.ActionContinue
}

// OnHttpResponseTrailers ends a response whose last bytes can no longer be sent: better none than a wrong one.
func (s *stream) OnHttpResponseTrailers(int) types.Action {
	if len(s.held) == 0 {
		return types.ActionContinue
	}
	const format = "body_rewrite: trailers came while %d bytes were held back, the response is reset"
	proxywasm.LogErrorf(format, len(s.held))
	report(proxywasm.SendHttpResponse(502, nil, nil, -1)) // too late for an answer, so the proxy resets
	return types.ActionPause
}

func report(err error) {
	if err != nil {
		proxywasm.LogErrorf("body_rewrite: %v", err)
	}
}
