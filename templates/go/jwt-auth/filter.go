// Package main is a Proxy-Wasm filter that lets requests pass that bear a valid JSON Web Token (RFC 7519, RFC 6750),
// signed by RS256 or ES256. The keys are configured, or fetched from another service.
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
	keys                         keySet
	fetched                      fetchState
	allowed, denied, fetchFailed proxywasm.MetricCounter
}

// OnPluginStart reads the configuration. A proxy that is told "failed" refuses the filter.
func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	settings, keys, err := readSettings(size)
	if err != nil {
		proxywasm.LogErrorf("jwt_auth: configuration refused: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.config, p.keys = settings, keys
	p.allowed = proxywasm.DefineCounterMetric("jwt_auth.allowed")
	p.denied = proxywasm.DefineCounterMetric("jwt_auth.denied")
	p.fetchFailed = proxywasm.DefineCounterMetric("jwt_auth.fetch_failed")
	if p.RemoteJWKS != nil {
		report(proxywasm.SetTickPeriodMilliSeconds(p.RemoteJWKS.RefreshSeconds * 1000))
	}
	return types.OnPluginStartStatusOK
}

// OnTick fetches the keys anew. Nobody has needed them yet when there are none.
func (p *plugin) OnTick() {
	if p.keys != nil {
		p.fetch(func() {})
	}
}

// NewHttpContext is called once per request.
func (p *plugin) NewHttpContext(uint32) types.HttpContext { return &stream{plugin: p} }

// stream is one request and its response.
type stream struct {
	types.DefaultHttpContext
	plugin *plugin
	token  *token
}

// OnHttpRequestHeaders looks at the token. The request waits when its key has to be fetched first.
func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	p := s.plugin
	for _, header := range p.headers {
		report(proxywasm.RemoveHttpRequestHeader(header.name))
	}
	path, _, _ := strings.Cut(requestHeader(":path"), "?")
	if slices.Contains(p.Skip, path) {
		return types.ActionContinue
	}
	scheme, text, _ := strings.Cut(requestHeader("authorization"), " ")
	if text = strings.Trim(text, " "); text == "" || !strings.EqualFold(scheme, "bearer") {
		return s.deny(401, "a token is needed", "Bearer")
	}
	token, err := parseToken(text)
	if err != nil {
		return s.refuse(err)
	}
	s.token = token
	if p.shouldFetchFor(token) && p.fetch(s.onKeys) {
		return types.ActionPause
	}
	return s.decide()
}

// onKeys is called when the keys have come, or have failed to. It is not called for a request that is gone.
func (s *stream) onKeys() {
	if s.decide() == types.ActionContinue {
		report(proxywasm.ResumeHttpRequest())
	}
}

// decide lets the request pass or answers it, by the keys that are there.
func (s *stream) decide() types.Action {
	p := s.plugin
	if p.keys == nil {
		return s.deny(503, "the keys for tokens cannot be fetched", "")
	}
	if err := p.keys.verify(s.token); err != nil {
		return s.refuse(err)
	}
	if err := p.checkClaims(s.token.claims); err != nil {
		return s.refuse(err)
	}
	p.allowed.Increment(1)
	for _, header := range p.headers {
		if value := headerValue(s.token.claims[header.claim]); value != "" {
			report(proxywasm.AddHttpRequestHeader(header.name, value))
		}
	}
	if !p.ForwardToken {
		report(proxywasm.RemoveHttpRequestHeader("authorization"))
	}
	return types.ActionContinue
}

func (s *stream) refuse(err error) types.Action {
	return s.deny(401, err.Error(), `Bearer error="invalid_token"`)
}

func (s *stream) deny(status uint32, why, challenge string) types.Action {
	s.plugin.denied.Increment(1)
	headers := [][2]string{{"content-type", "text/plain"}}
	if challenge != "" {
		headers = append(headers, [2]string{"www-authenticate", challenge})
	}
	report(proxywasm.SendHttpResponse(status, headers, []byte(why+"\n"), -1))
	return types.ActionPause
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
		proxywasm.LogErrorf("jwt_auth: %v", err)
	}
}
