package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// config is the plugin configuration, as config.schema.json describes it.
type config struct {
	JWKS          json.RawMessage   `json:"jwks"`
	RemoteJWKS    *remoteConfig     `json:"remote_jwks"`
	Issuer        string            `json:"issuer"`
	Audiences     []string          `json:"audiences"`
	LeewaySeconds uint32            `json:"leeway_seconds"`
	ClaimHeaders  map[string]string `json:"claim_headers"`
	ForwardToken  bool              `json:"forward_token"`
	Skip          []string          `json:"skip"`

	// headers are ClaimHeaders, in the order of their names.
	headers []claimHeader
}

type claimHeader struct{ name, claim string }

type remoteConfig struct {
	Cluster        string `json:"cluster"`
	Path           string `json:"path"`
	Authority      string `json:"authority"`
	TimeoutMs      uint32 `json:"timeout_ms"`
	RefreshSeconds uint32 `json:"refresh_seconds"`
}

// readSettings reads the plugin configuration and tells what is wrong with it. There are no keys when they have to be
// fetched.
func readSettings(size int) (config, keySet, error) {
	c := config{LeewaySeconds: 60}
	if err := readConfig(size, &c); err != nil {
		return config{}, nil, err
	}
	if (c.JWKS == nil) == (c.RemoteJWKS == nil) {
		return config{}, nil, errors.New("one of jwks and remote_jwks is needed, and only one")
	}
	if err := c.check(); err != nil {
		return config{}, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.ClaimHeaders)) {
		c.headers = append(c.headers, claimHeader{strings.ToLower(name), c.ClaimHeaders[name]})
	}
	if c.RemoteJWKS != nil {
		return c, nil, c.RemoteJWKS.check()
	}
	keys := readKeys(c.JWKS)
	if keys == nil {
		return config{}, nil, errors.New("jwks has no key that can be used: RSA of 2048 to 4096 bits or EC of P-256")
	}
	return c, keys, nil
}

func (c *config) check() error {
	if c.Audiences != nil && len(c.Audiences) == 0 || slices.Contains(c.Audiences, "") {
		return errors.New("audiences needs at least one, and none may be empty")
	}
	if c.LeewaySeconds > 600 {
		return errors.New("leeway_seconds has to be from 0 to 600")
	}
	if len(c.ClaimHeaders) > 32 {
		return errors.New("claim_headers: no more than 32 are possible")
	}
	for name, claim := range c.ClaimHeaders {
		if !isHeaderName(name) || claim == "" {
			return fmt.Errorf("claim_headers: %q has to be the name of a header, with that of a claim", name)
		}
	}
	for _, path := range c.Skip {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("skip: %q does not begin with /", path)
		}
	}
	return nil
}

// check fills in what is left out, too.
func (r *remoteConfig) check() error {
	setDefault(&r.Authority, r.Cluster)
	setDefault(&r.TimeoutMs, 1000)
	setDefault(&r.RefreshSeconds, 300)
	switch {
	case r.Cluster == "":
		return errors.New("remote_jwks.cluster has to be the name of one")
	case !strings.HasPrefix(r.Path, "/"):
		return errors.New("remote_jwks.path has to begin with /")
	case r.TimeoutMs > 60_000:
		return errors.New("remote_jwks.timeout_ms has to be from 1 to 60000")
	case r.RefreshSeconds < 10 || r.RefreshSeconds > 86_400:
		return errors.New("remote_jwks.refresh_seconds has to be from 10 to 86400")
	}
	return nil
}

func setDefault[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}
