// Package main is a Proxy-Wasm filter that adds the response header "hello": the plugin configuration, or "world" when
// there is none.
package main

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// A filter is a library: a proxy calls init and then the filter's callbacks, and never main.
func main() {}

func init() {
	proxywasm.SetVMContext(&vm{})
}

// vm is one thread's instance of the module, which several plugins may share.
type vm struct{ types.DefaultVMContext }

// NewPluginContext is called for each place in the proxy where the filter is configured.
func (*vm) NewPluginContext(uint32) types.PluginContext { return &plugin{} }

// plugin is the filter at one place in the proxy: it holds what outlives a request.
type plugin struct {
	types.DefaultPluginContext
	greeting string
}

// OnPluginStart reads the configuration. A proxy that is told "failed" refuses the filter.
func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	p.greeting = "world"
	if size == 0 {
		return types.OnPluginStartStatusOK
	}
	configuration, err := proxywasm.GetPluginConfiguration()
	if err != nil {
		proxywasm.LogCriticalf("cannot read the configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.greeting = string(configuration)
	return types.OnPluginStartStatusOK
}

// NewHttpContext is called once per request.
func (p *plugin) NewHttpContext(uint32) types.HttpContext { return &stream{plugin: p} }

// stream is one request and its response.
type stream struct {
	types.DefaultHttpContext
	plugin *plugin
}

// OnHttpResponseHeaders is called when the upstream's response headers are there.
func (s *stream) OnHttpResponseHeaders(int, bool) types.Action {
	if err := proxywasm.AddHttpResponseHeader("hello", s.plugin.greeting); err != nil {
		proxywasm.LogErrorf("cannot add the header: %v", err)
	}
	return types.ActionContinue
}
