package main

import (
	"slices"
	"strings"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// rule is what requests it is about, and how they are answered. A condition that is empty holds for every request.
type rule struct {
	path pattern
	// prefix is the beginning of the path that a redirect with keep_path leaves out.
	prefix  string
	hosts   []pattern
	header  string
	value   *string
	sources []string

	status   uint32
	body     string
	redirect *redirect
}

// fits tells whether all conditions hold. The path has no query, the host is in lower case.
func (r *rule) fits(path, host string) bool {
	if r.path != nil && !r.path.matches(path) {
		return false
	}
	if r.hosts != nil && !slices.ContainsFunc(r.hosts, func(p pattern) bool { return p.matches(host) }) {
		return false
	}
	if r.header != "" {
		value, found := requestHeader(r.header)
		if !found || r.value != nil && value != *r.value {
			return false
		}
	}
	return r.sources == nil || r.comesFrom(sourceIP())
}

func (r *rule) comesFrom(address string) bool {
	return slices.ContainsFunc(r.sources, func(source string) bool {
		if strings.HasSuffix(source, ".") || strings.HasSuffix(source, ":") {
			return strings.HasPrefix(address, source)
		}
		return address == source
	})
}

// redirect is where a client is sent.
type redirect struct {
	to                  string
	keepPath, keepQuery bool
}

// location is the new place; rest is the request's path, without the prefix of the rule.
func (r *redirect) location(rest, query string) string {
	to := r.to
	if r.keepPath {
		// Exactly one slash: "//host", which browsers see in "/\host" and "/<tab>/host", too, would be another host.
		rest = strings.TrimLeftFunc(rest, func(c rune) bool { return c <= ' ' || c == '/' || c == '\\' })
		if rest != "" {
			to = strings.TrimSuffix(to, "/") + "/" + rest
		}
	}
	switch {
	case !r.keepQuery || query == "":
		return to
	case strings.Contains(to, "?"):
		return to + "&" + query
	default:
		return to + "?" + query
	}
}

// sourceIP is the client's address, without port and brackets; "" when the proxy does not know it.
func sourceIP() string {
	address, err := proxywasm.GetProperty([]string{"source", "address"})
	if err != nil {
		return ""
	}
	return strings.Trim(withoutPort(string(address)), "[]")
}
