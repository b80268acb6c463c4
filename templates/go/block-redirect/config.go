package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// config is the plugin configuration, as config.schema.json describes it.
type config struct {
	Rules []ruleConfig `json:"rules"`
}

type ruleConfig struct {
	Exact    *string         `json:"exact"`
	Prefix   *string         `json:"prefix"`
	Glob     *string         `json:"glob"`
	Hosts    []string        `json:"hosts"`
	Header   *headerConfig   `json:"header"`
	Sources  []string        `json:"sources"`
	Block    *blockConfig    `json:"block"`
	Redirect *redirectConfig `json:"redirect"`
}

type headerConfig struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

type blockConfig struct {
	Status *uint32 `json:"status"`
	Body   *string `json:"body"`
}

type redirectConfig struct {
	To        string  `json:"to"`
	Status    *uint32 `json:"status"`
	KeepPath  bool    `json:"keep_path"`
	KeepQuery *bool   `json:"keep_query"`
}

// readRules reads the plugin configuration and tells what is wrong with it.
func readRules(size int) ([]rule, error) {
	var c config
	if err := readConfig(size, &c); err != nil {
		return nil, err
	}
	if len(c.Rules) == 0 {
		return nil, errors.New("rules needs at least one rule")
	}
	rules := make([]rule, len(c.Rules))
	for i := range c.Rules {
		if err := c.Rules[i].compile(&rules[i]); err != nil {
			return nil, fmt.Errorf("rules[%d]: %w", i, err)
		}
	}
	return rules, nil
}

func (c *ruleConfig) compile(r *rule) error {
	if err := c.conditions(r); err != nil {
		return err
	}
	switch {
	case (c.Block == nil) == (c.Redirect == nil):
		return errors.New("one of block and redirect is needed, and only one")
	case c.Block != nil:
		r.status, r.body = valueOr(c.Block.Status, 403), valueOr(c.Block.Body, "blocked\n")
		if r.status < 200 || r.status > 599 {
			return errors.New("block.status has to be from 200 to 599")
		}
		return nil
	default:
		return c.Redirect.compile(r)
	}
}

func (c *ruleConfig) conditions(r *rule) error {
	if err := c.path(r); err != nil {
		return err
	}
	hosts, err := readHosts(c.Hosts)
	if err != nil {
		return err
	}
	if r.hosts = hosts; c.Hosts != nil && len(hosts) == 0 {
		return errors.New("hosts needs at least one host")
	}
	if c.Header != nil {
		if !isHeaderName(c.Header.Name) {
			return fmt.Errorf("header.name: %q is no name of a header", c.Header.Name)
		}
		r.header, r.value = c.Header.Name, c.Header.Value
	}
	if c.Sources != nil && len(c.Sources) == 0 || slices.Contains(c.Sources, "") {
		return errors.New("sources needs at least one address, and none may be empty")
	}
	r.sources = c.Sources
	return nil
}

func (c *ruleConfig) path(r *rule) error {
	given := 0
	for _, condition := range []struct {
		key  string
		text *string
	}{{"exact", c.Exact}, {"prefix", c.Prefix}, {"glob", c.Glob}} {
		if condition.text == nil {
			continue
		}
		if given++; *condition.text == "" || strings.ContainsAny(*condition.text, "?#") {
			return fmt.Errorf("%s: %q is no path; a query is no part of it", condition.key, *condition.text)
		}
	}
	switch {
	case given > 1:
		return errors.New("only one of exact, prefix and glob can be given")
	case c.Exact != nil:
		r.path = pattern{*c.Exact}
	case c.Prefix != nil:
		r.path, r.prefix = pattern{*c.Prefix, ""}, *c.Prefix
	case c.Glob != nil:
		r.path = strings.Split(*c.Glob, "*")
	}
	return nil
}

func (c *redirectConfig) compile(r *rule) error {
	if !isPlace(c.To) {
		return fmt.Errorf("redirect.to: %q is neither a path nor an address with http:// or https://", c.To)
	}
	if c.KeepPath && strings.Contains(c.To, "?") {
		return errors.New("redirect.keep_path and a query in redirect.to do not go together")
	}
	r.status = valueOr(c.Status, 302)
	if !slices.Contains([]uint32{301, 302, 303, 307, 308}, r.status) {
		return errors.New("redirect.status has to be 301, 302, 303, 307 or 308")
	}
	r.redirect = &redirect{to: c.To, keepPath: c.KeepPath, keepQuery: valueOr(c.KeepQuery, true)}
	return nil
}

// isPlace tells whether the text can be sent as a location: ASCII without blanks, a path of this host or an address.
func isPlace(to string) bool {
	if strings.ContainsFunc(to, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' }) {
		return false
	}
	for _, scheme := range []string{"http://", "https://"} {
		if host, found := strings.CutPrefix(to, scheme); found {
			return host != "" && (host[0] == '[' || isAlphanumeric(host[0]))
		}
	}
	return to == "/" || len(to) > 1 && to[0] == '/' && to[1] != '/' && to[1] != '\\'
}

func valueOr[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}
