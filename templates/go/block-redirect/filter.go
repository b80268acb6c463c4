// Package main is a Proxy-Wasm filter that blocks requests and redirects them. The first rule all of whose conditions
// hold answers the request; one that no rule fits passes. See config.go for what a rule can say.
package main

import (
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
	rules               []rule
	blocked, redirected proxywasm.MetricCounter
}

// OnPluginStart reads the configuration. A proxy that is told "failed" refuses the filter.
func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	rules, err := readRules(size)
	if err != nil {
		proxywasm.LogErrorf("block_redirect: configuration refused: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.rules = rules
	p.blocked = proxywasm.DefineCounterMetric("block_redirect.blocked")
	p.redirected = proxywasm.DefineCounterMetric("block_redirect.redirected")
	return types.OnPluginStartStatusOK
}

// NewHttpContext is called once per request.
func (p *plugin) NewHttpContext(uint32) types.HttpContext { return &stream{plugin: p} }

// stream is one request and its response.
type stream struct {
	types.DefaultHttpContext
	plugin *plugin
}

// OnHttpRequestHeaders lets the request go on, or answers it.
func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	target, _ := requestHeader(":path")
	path, query, _ := strings.Cut(target, "?")
	authority, _ := requestHeader(":authority")
	host := hostOf(authority)
	for i := range s.plugin.rules {
		rule := &s.plugin.rules[i]
		if !rule.fits(path, host) {
			continue
		}
		if rule.redirect == nil {
			s.plugin.blocked.Increment(1)
			return answer(rule.status, "content-type", "text/plain", rule.body)
		}
		s.plugin.redirected.Increment(1)
		return answer(rule.status, "location", rule.redirect.location(path[len(rule.prefix):], query), "")
	}
	return types.ActionContinue
}

func answer(status uint32, name, value, body string) types.Action {
	if err := proxywasm.SendHttpResponse(status, [][2]string{{name, value}}, []byte(body), -1); err != nil {
		proxywasm.LogErrorf("block_redirect: cannot answer: %v", err)
	}
	return types.ActionPause
}

// requestHeader is the value of a request header, and whether it is there.
func requestHeader(name string) (string, bool) {
	value, err := proxywasm.GetHttpRequestHeader(name)
	return value, err == nil
}
