// Package main is a Proxy-Wasm filter for TCP that writes one line of JSON when a connection ends, and counts
// connections and bytes.
package main

import (
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
	connections, received, sent proxywasm.MetricCounter
}

// OnPluginStart reads the configuration. A proxy that is told "failed" refuses the filter.
func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	settings, err := readSettings(size)
	if err != nil {
		proxywasm.LogErrorf("tcp_logger: configuration refused: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.config = settings
	p.connections = proxywasm.DefineCounterMetric("tcp_logger.connections")
	p.received = proxywasm.DefineCounterMetric("tcp_logger.bytes_received")
	p.sent = proxywasm.DefineCounterMetric("tcp_logger.bytes_sent")
	return types.OnPluginStartStatusOK
}

// NewTcpContext is called once per connection.
func (p *plugin) NewTcpContext(uint32) types.TcpContext {
	return &connection{plugin: p, began: time.Now()}
}

// connection is one connection of a client.
type connection struct {
	types.DefaultTcpContext
	plugin *plugin
	began  time.Time
	// received are the bytes from the client, sent those to it.
	received, sent uint64
	// closedBy is the side that ended first; "" as long as none has.
	closedBy string
}

// OnNewConnection is called when the client has connected.
func (c *connection) OnNewConnection() types.Action {
	c.plugin.connections.Increment(1)
	return types.ActionContinue
}

// OnDownstreamData is called for each piece that comes from the client.
func (c *connection) OnDownstreamData(size int, endOfStream bool) types.Action {
	c.received += uint64(size)
	count(c.plugin.received, size)
	if endOfStream {
		c.closes("downstream")
	}
	return types.ActionContinue
}

// OnUpstreamData is called for each piece that comes from the upstream.
func (c *connection) OnUpstreamData(size int, endOfStream bool) types.Action {
	c.sent += uint64(size)
	count(c.plugin.sent, size)
	if endOfStream {
		c.closes("upstream")
	}
	return types.ActionContinue
}

// OnDownstreamClose is called when the connection to the client is closed.
func (c *connection) OnDownstreamClose(types.PeerType) { c.closes("downstream") }

// OnUpstreamClose is called when the connection to the upstream is closed.
func (c *connection) OnUpstreamClose(types.PeerType) { c.closes("upstream") }

func (c *connection) closes(side string) {
	if c.closedBy == "" {
		c.closedBy = side
	}
}

// OnStreamDone writes the line. Properties can still be read.
func (c *connection) OnStreamDone() { c.plugin.log(c.line()) }

// count adds to a counter; proxies refuse to add 0, and the SDK panics then.
func count(counter proxywasm.MetricCounter, number int) {
	if number > 0 {
		counter.Increment(uint64(number))
	}
}
