package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// config is the plugin configuration, as config.schema.json describes it.
type config struct {
	Rules []ruleConfig `json:"basic_auth_rules"`
	Realm string       `json:"realm"`
}

type ruleConfig struct {
	Hosts       []string `json:"hosts"`
	Prefix      string   `json:"prefix"`
	Exact       string   `json:"exact"`
	Suffix      string   `json:"suffix"`
	Methods     []string `json:"request_methods"`
	Credentials []string `json:"credentials"`
}

// readRules reads the plugin configuration and tells what is wrong with it, never repeating a password.
func readRules(size int) (rules []rule, realm string, err error) {
	c := config{Realm: "istio"}
	if err := readConfig(size, &c); err != nil {
		return nil, "", err
	}
	if len(c.Rules) == 0 {
		return nil, "", errors.New("basic_auth_rules needs at least one rule")
	}
	if strings.ContainsFunc(c.Realm, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, "", errors.New("realm has a control character")
	}
	for i, from := range c.Rules {
		rule, err := from.compile()
		if err != nil {
			return nil, "", fmt.Errorf("basic_auth_rules[%d]: %w", i, err)
		}
		rules = append(rules, rule)
	}
	return rules, c.Realm, nil
}

func (c ruleConfig) compile() (rule, error) {
	path, err := c.path()
	if err != nil {
		return rule{}, err
	}
	if len(c.Methods) == 0 || slices.Contains(c.Methods, "") {
		return rule{}, errors.New("request_methods needs at least one method")
	}
	if len(c.Credentials) == 0 {
		return rule{}, errors.New("credentials needs at least one user:password")
	}
	hosts, err := readHosts(c.Hosts)
	if err != nil {
		return rule{}, err
	}
	r := rule{hosts: hosts, path: path, methods: c.Methods}
	for i, text := range c.Credentials {
		credentials := []byte(text)
		if !strings.Contains(text, ":") {
			if credentials, err = decodeBase64(text); err != nil || !bytes.ContainsRune(credentials, ':') {
				return rule{}, fmt.Errorf("credentials[%d] is neither user:password nor base64 of that", i)
			}
		}
		r.credentials = append(r.credentials, credentials)
	}
	return r, nil
}

func (c ruleConfig) path() (pattern, error) {
	given := c.Prefix + c.Exact + c.Suffix
	if given == "" || given != c.Prefix && given != c.Exact && given != c.Suffix {
		return nil, errors.New("one of prefix, exact and suffix is needed, and only one")
	}
	if strings.ContainsAny(given, "?#") {
		return nil, fmt.Errorf("%q is no path: a query is no part of it", given)
	}
	if c.Exact != "" {
		return pattern{c.Exact}, nil
	}
	return pattern{c.Prefix, c.Suffix}, nil
}
