// Package main is a Proxy-Wasm filter that lets requests through that come with a configured user name and password
// (RFC 7617), and answers others 401. Which requests need them is said by rules; see config.go.
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
	rules []rule
	// challenge is the header that makes a browser ask for the password.
	challenge string
}

// OnPluginStart reads the configuration. A proxy that is told "failed" refuses the filter.
func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	rules, realm, err := readRules(size)
	if err != nil {
		proxywasm.LogErrorf("basic_auth: configuration refused: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.rules = rules
	p.challenge = `Basic realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(realm) + `"`
	return types.OnPluginStartStatusOK
}

// NewHttpContext is called once per request.
func (p *plugin) NewHttpContext(uint32) types.HttpContext { return &stream{plugin: p} }

// stream is one request and its response.
type stream struct {
	types.DefaultHttpContext
	plugin *plugin
}

// OnHttpRequestHeaders lets the request go on, or answers it 401.
func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	path, _, _ := strings.Cut(requestHeader(":path"), "?")
	method, host := requestHeader(":method"), hostOf(requestHeader(":authority"))
	for i := range s.plugin.rules {
		rule := &s.plugin.rules[i]
		if !rule.covers(method, host, path) {
			continue
		}
		given, found := credentialsOf(requestHeader("authorization"))
		if !found {
			return s.refuse("user name and password needed\n")
		}
		if !rule.accepts(given) {
			return s.refuse("wrong user name or password\n")
		}
	}
	return types.ActionContinue
}

func (s *stream) refuse(why string) types.Action {
	headers := [][2]string{{"www-authenticate", s.plugin.challenge}, {"content-type", "text/plain"}}
	if err := proxywasm.SendHttpResponse(401, headers, []byte(why), -1); err != nil {
		proxywasm.LogErrorf("basic_auth: cannot answer: %v", err)
	}
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
