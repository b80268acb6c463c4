package main

import (
	"fmt"
	"strings"
)

// pattern is the parts of a text between which there may be anything; a single part is the whole text.
type pattern []string

func (p pattern) matches(text string) bool {
	last := len(p) - 1
	if last == 0 {
		return text == p[0]
	}
	text, begins := strings.CutPrefix(text, p[0])
	text, ends := strings.CutSuffix(text, p[last])
	for _, part := range p[1:last] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return begins && ends
}

// readHosts reads names of hosts; one * at the beginning or the end of each stands for any text.
func readHosts(hosts []string) ([]pattern, error) {
	var patterns []pattern
	for i, host := range hosts {
		parts := strings.Split(strings.ToLower(host), "*")
		if host == "" || len(parts) > 2 || len(parts) == 2 && parts[0] != "" && parts[1] != "" {
			return nil, fmt.Errorf("hosts[%d]: %q is no host; one * may stand at its beginning or end", i, host)
		}
		patterns = append(patterns, parts)
	}
	return patterns, nil
}

// hostOf is the host of an :authority, in lower case and without the port.
func hostOf(authority string) string {
	return strings.ToLower(withoutPort(authority))
}

// withoutPort leaves out the port of an address, which may be one of IPv6 in brackets.
func withoutPort(address string) string {
	if colon := strings.LastIndexByte(address, ':'); colon > strings.LastIndexByte(address, ']') {
		return address[:colon]
	}
	return address
}
