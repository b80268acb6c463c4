package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
)

// choose is the index of the request's variant.
func (s *stream) choose() int {
	p := s.plugin
	if p.ClientMayChoose {
		if asked := p.named(requestHeader(p.Header)); asked >= 0 {
			return asked
		}
	}
	switch {
	case p.Sticky == nil:
	case p.Sticky.Header != "":
		if visitor := requestHeader(p.Sticky.Header); visitor != "" {
			return p.drawn(visitor)
		}
	default:
		visitor := cookie(requestHeader("cookie"), p.Sticky.Cookie)
		if visitor == "" {
			visitor = fmt.Sprintf("%016x", numberOf(requestID()))
			s.newCookie = p.cookieFor(visitor)
		}
		return p.drawn(visitor)
	}
	return p.drawn(requestID())
}

// named is the index of the variant of that name, -1 when there is none.
func (c *config) named(name string) int {
	for i := range c.Variants {
		if c.Variants[i].Name == name {
			return i
		}
	}
	return -1
}

// drawn is the index of the variant that falls to a visitor: the same one in every proxy, and dealt out anew in every
// experiment.
func (c *config) drawn(visitor string) int {
	rest := numberOf(c.Experiment, "\n", visitor) % c.total
	for i := range c.Variants {
		if rest < c.Variants[i].Weight {
			return i
		}
		rest -= c.Variants[i].Weight
	}
	return 0 // the weights add up to the total: this is never reached
}

// requestID is another one for every request. The proxy makes it; without one it is drawn.
func requestID() string {
	if id := requestHeader("x-request-id"); id != "" {
		return id
	}
	return strconv.FormatUint(rand.Uint64(), 16)
}

// numberOf makes a number of texts: FNV-1a, 64 bit, and the last steps of MurmurHash3, which spread similar texts.
func numberOf(texts ...string) uint64 {
	hash := fnv.New64a()
	for _, text := range texts {
		io.WriteString(hash, text)
	}
	n := hash.Sum64()
	n = (n ^ n>>33) * 0xff51afd7ed558ccd
	n = (n ^ n>>33) * 0xc4ceb9fe1a85ec53
	return n ^ n>>33
}

// cookie is the value of a cookie, "" when it is not there.
func cookie(header, name string) string {
	for _, pair := range strings.Split(header, ";") {
		if key, value, found := strings.Cut(strings.TrimSpace(pair), "="); found && key == name {
			return value
		}
	}
	return ""
}
