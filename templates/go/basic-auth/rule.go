package main

import (
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
)

// rule says which requests need credentials, and which ones these are.
type rule struct {
	// hosts is empty when the rule is about every host.
	hosts       []pattern
	path        pattern
	methods     []string
	credentials [][]byte
}

// covers tells whether the rule is about such a request. The host is in lower case, the path has no query.
func (r *rule) covers(method, host, path string) bool {
	return slices.Contains(r.methods, method) && r.path.matches(path) &&
		(len(r.hosts) == 0 || slices.ContainsFunc(r.hosts, func(p pattern) bool { return p.matches(host) }))
}

// accepts tells whether the credentials are among those of the rule. How long it takes does not depend on how much of
// a password was right.
func (r *rule) accepts(given []byte) bool {
	equal := 0
	for _, credentials := range r.credentials {
		equal |= subtle.ConstantTimeCompare(credentials, given)
	}
	return equal == 1
}

// credentialsOf takes user:password out of an "authorization" header. What is there but cannot be read is found, and
// is no one's credentials.
func credentialsOf(header string) (credentials []byte, found bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "basic") {
		return nil, false
	}
	credentials, err := decodeBase64(strings.Trim(encoded, " "))
	if err != nil {
		return nil, true
	}
	return credentials, true
}

// decodeBase64 takes base64 with its padding and without.
func decodeBase64(text string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
}
