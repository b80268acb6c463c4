package main

import (
	"time"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// fetchState is when keys were asked for last; the zero time when never.
type fetchState struct{ last time.Time }

const (
	// restWithoutKeys is how long requests do without keys after a fetch that failed.
	restWithoutKeys = time.Second
	// restForUnknown is how often a key that is not known is looked for: anybody can invent one.
	restForUnknown = 10 * time.Second
)

// shouldFetchFor tells whether it is worth fetching keys before the token is verified.
func (p *plugin) shouldFetchFor(t *token) bool {
	if p.RemoteJWKS == nil || p.keys != nil && len(p.keys.fitting(t)) > 0 {
		return false
	}
	rest := restForUnknown
	if p.keys == nil {
		rest = restWithoutKeys
	}
	return p.fetched.last.IsZero() || time.Since(p.fetched.last) >= rest
}

// fetch asks for the keys, and calls back when they are there or have failed to come. It returns false when the question
// cannot be asked; nothing is called then.
func (p *plugin) fetch(then func()) bool {
	from := p.RemoteJWKS
	p.fetched.last = time.Now()
	headers := [][2]string{{":method", "GET"}, {":path", from.Path}, {":authority", from.Authority}}
	_, err := proxywasm.DispatchHttpCall(from.Cluster, headers, nil, nil, from.TimeoutMs, func(_, bodySize, _ int) {
		p.keep(bodySize)
		then()
	})
	if err != nil {
		p.failed("cannot be called")
	}
	return err == nil
}

// keep reads the answer. The keys so far stay when there are no better ones.
func (p *plugin) keep(bodySize int) {
	status := ""
	headers, err := proxywasm.GetHttpCallResponseHeaders()
	report(err)
	for _, header := range headers {
		if header[0] == ":status" {
			status = header[1]
		}
	}
	if status != "200" {
		p.failed("answered " + status)
		return
	}
	var body []byte
	if bodySize > 0 {
		body, err = proxywasm.GetHttpCallResponseBody(0, bodySize)
		report(err)
	}
	keys := readKeys(body)
	if keys == nil {
		p.failed("sent no usable keys")
		return
	}
	p.keys = keys
}

func (p *plugin) failed(how string) {
	p.fetched.last = time.Now()
	p.fetchFailed.Increment(1)
	proxywasm.LogWarnf("jwt_auth: cluster %s %s", p.RemoteJWKS.Cluster, how)
}
