// Package main is a Proxy-Wasm filter that lets through as many requests as a bucket has tokens, and answers others 429.
// The bucket lies in the proxy's shared data, so that all worker threads take from the same one.
package main

import (
	"fmt"
	"hash/fnv"
	"strconv"
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
	limited proxywasm.MetricCounter
	// keyPrefix is what the keys of the buckets begin with; two plugins of one proxy have buckets of their own.
	keyPrefix string
}

// OnPluginStart reads the configuration. A proxy that is told "failed" refuses the filter.
func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	limits, err := readLimits(size)
	if err != nil {
		proxywasm.LogErrorf("local_rate_limit: configuration refused: %v", err)
		return types.OnPluginStartStatusFailed
	}
	name, err := proxywasm.GetProperty([]string{"plugin_name"})
	if err != nil {
		proxywasm.LogWarnf("local_rate_limit: the plugin has no name: %v", err)
	}
	p.config = limits
	p.keyPrefix = fmt.Sprintf("local_rate_limit/%s/", name)
	p.limited = proxywasm.DefineCounterMetric("local_rate_limit.limited")
	return types.OnPluginStartStatusOK
}

// NewHttpContext is called once per request.
func (p *plugin) NewHttpContext(uint32) types.HttpContext { return &stream{plugin: p} }

// stream is one request and its response.
type stream struct {
	types.DefaultHttpContext
	plugin *plugin
}

// OnHttpRequestHeaders takes a token for the request, or answers it.
func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	p := s.plugin
	wait, err := p.takeToken(p.bucketKey(), uint64(time.Now().UnixNano()))
	if err != nil {
		proxywasm.LogErrorf("local_rate_limit: the request goes through uncounted: %v", err)
		return types.ActionContinue
	}
	if wait == 0 {
		return types.ActionContinue
	}
	p.limited.Increment(1)
	seconds := (wait + time.Second - 1) / time.Second
	headers := [][2]string{{"retry-after", strconv.Itoa(int(seconds))}, {"content-type", "text/plain"}}
	if err := proxywasm.SendHttpResponse(p.Status, headers, []byte("rate limit exceeded\n"), -1); err != nil {
		proxywasm.LogErrorf("local_rate_limit: cannot answer: %v", err)
	}
	return types.ActionPause
}

// bucketKey is the shared data key of the bucket that the request takes from. Values of the key header are spread over
// a fixed number of buckets, so that invented ones fill no memory.
func (p *plugin) bucketKey() string {
	if p.KeyHeader == nil {
		return p.keyPrefix + "0"
	}
	value, err := proxywasm.GetHttpRequestHeader(*p.KeyHeader)
	if err != nil {
		value = ""
	}
	hash := fnv.New32a()
	hash.Write([]byte(value))
	return p.keyPrefix + strconv.Itoa(int(hash.Sum32()%p.KeyBuckets))
}
