package main

import (
	"slices"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// question is the headers of the request that the service gets.
func (p *plugin) question(request [][2]string) [][2]string {
	proto := first(request, "x-forwarded-proto")
	if proto == "" {
		proto = first(request, ":scheme")
	}
	own := [][2]string{
		{":method", "GET"},
		{":path", p.Path},
		{":authority", p.Authority},
		{"x-forwarded-method", first(request, ":method")},
		{"x-forwarded-proto", proto},
		{"x-forwarded-host", first(request, ":authority")},
		{"x-forwarded-uri", first(request, ":path")},
	}
	shown := slices.DeleteFunc(pick(request, p.RequestHeaders), func(header [2]string) bool {
		return len(pick(own, header[:1])) > 0 // what the filter says of the request, a client cannot say, too
	})
	return append(own, shown...)
}

// removeForged takes away what only the service may say.
func (p *plugin) removeForged(request [][2]string) {
	for _, name := range p.UpstreamHeaders {
		if !slices.ContainsFunc(request, func(header [2]string) bool { return header[0] == name }) {
			continue
		}
		if err := proxywasm.RemoveHttpRequestHeader(name); err != nil {
			proxywasm.LogErrorf("ext_auth: cannot remove %s: %v", name, err)
		}
	}
}

// first is the first value of a header, "" when it is not there.
func first(headers [][2]string, name string) string {
	for _, header := range headers {
		if header[0] == name {
			return header[1]
		}
	}
	return ""
}

// pick is the headers with one of the names, in their order.
func pick(headers [][2]string, names []string) [][2]string {
	var picked [][2]string
	for _, header := range headers {
		if slices.Contains(names, header[0]) {
			picked = append(picked, header)
		}
	}
	return picked
}
