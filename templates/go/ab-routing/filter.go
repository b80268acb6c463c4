// Package main is a Proxy-Wasm filter that chooses a variant for every request, by weight, and always the same one for
// the same visitor. Routes match on the header it sets.
package main

import (
	"fmt"

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
	// requests are the counters of the variants.
	requests []proxywasm.MetricCounter
}

// OnPluginStart reads the configuration. A proxy that is told "failed" refuses the filter.
func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	settings, err := readSettings(size)
	if err != nil {
		proxywasm.LogErrorf("ab_routing: configuration refused: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.config = settings
	for _, variant := range settings.Variants {
		counter := proxywasm.DefineCounterMetric("ab_routing.requests." + variant.Name)
		p.requests = append(p.requests, counter)
	}
	return types.OnPluginStartStatusOK
}

// NewHttpContext is called once per request.
func (p *plugin) NewHttpContext(uint32) types.HttpContext { return &stream{plugin: p} }

// stream is one request and its response.
type stream struct {
	types.DefaultHttpContext
	plugin *plugin
	// variant is the one chosen; nil when another filter answered before this one saw the request.
	variant *variant
	// newCookie is what the client is told to send from now on; "" when it does so already.
	newCookie string
}

// OnHttpRequestHeaders chooses the variant and tells the route about it.
func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	p := s.plugin
	chosen := s.choose()
	s.variant = &p.Variants[chosen]
	p.requests[chosen].Increment(1)
	report(proxywasm.ReplaceHttpRequestHeader(p.Header, s.variant.Name))
	report(proxywasm.SetProperty([]string{"ab_variant"}, []byte(s.variant.Name))) // for access logs
	if s.variant.Authority != "" {
		report(proxywasm.ReplaceHttpRequestHeader(":authority", s.variant.Authority))
	}
	if s.variant.PathPrefix != "" {
		report(proxywasm.ReplaceHttpRequestHeader(":path", s.variant.PathPrefix+requestHeader(":path")))
	}
	return types.ActionContinue
}

// OnHttpResponseHeaders tells the client what it needs to know.
func (s *stream) OnHttpResponseHeaders(int, bool) types.Action {
	if s.variant == nil {
		return types.ActionContinue
	}
	if s.plugin.ResponseHeader != "" {
		report(proxywasm.ReplaceHttpResponseHeader(s.plugin.ResponseHeader, s.variant.Name))
	}
	if s.newCookie != "" {
		report(proxywasm.AddHttpResponseHeader("set-cookie", s.newCookie))
	}
	return types.ActionContinue
}

// cookieFor is the header that makes a client keep its visitor's name.
func (p *plugin) cookieFor(visitor string) string {
	const format = "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax"
	cookie := fmt.Sprintf(format, p.Sticky.Cookie, visitor, p.Sticky.MaxAge)
	if requestHeader("x-forwarded-proto") == "https" || requestHeader(":scheme") == "https" {
		cookie += "; Secure"
	}
	return cookie
}

// requestHeader is the value of a request header, or "" when there is none.
func requestHeader(name string) string {
	value, err := proxywasm.GetHttpRequestHeader(name)
	if err != nil {
		return ""
	}
	return value
}

func report(err error) {
	if err != nil {
		proxywasm.LogErrorf("ab_routing: %v", err)
	}
}
