package main

import "strings"

// searches tells whether the body of a response with these headers is to be searched: a whole one, of a configured
// type, that is not compressed, may be changed, and is not followed by trailers.
func (c *config) searches(headers [][2]string) bool {
	encoding := first(headers, "content-encoding")
	if first(headers, ":status") == "206" || encoding != "" && !strings.EqualFold(encoding, "identity") {
		return false
	}
	if first(headers, "trailer") != "" {
		return false
	}
	for _, header := range headers {
		if header[0] == "cache-control" && strings.Contains(strings.ToLower(header[1]), "no-transform") {
			return false
		}
	}
	contentType := strings.ToLower(first(headers, "content-type"))
	for _, beginning := range c.ContentTypes {
		if strings.HasPrefix(contentType, strings.ToLower(beginning)) {
			return true
		}
	}
	return false
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
