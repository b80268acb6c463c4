package main

import (
	"errors"
	"fmt"
	"slices"
)

// config is the plugin configuration, as config.schema.json describes it.
type config struct {
	Rules        []ruleConfig `json:"rules"`
	ContentTypes []string     `json:"content_types"`
	AskForPlain  bool         `json:"ask_for_plain"`
}

type ruleConfig struct {
	Search  string  `json:"search"`
	Replace *string `json:"replace"`
}

// readSettings reads the plugin configuration and tells what is wrong with it.
func readSettings(size int) (config, error) {
	c := config{ContentTypes: []string{"text/", "application/json", "application/javascript", "application/xml"}}
	if err := readConfig(size, &c); err != nil {
		return config{}, err
	}
	if len(c.Rules) == 0 || len(c.Rules) > 32 {
		return config{}, errors.New("rules needs from 1 to 32 rules")
	}
	for i, rule := range c.Rules {
		if len(rule.Search) == 0 || len(rule.Search) > 1024 {
			return config{}, fmt.Errorf("rules[%d]: search has to be from 1 to 1024 bytes", i)
		}
		if rule.Replace == nil {
			return config{}, fmt.Errorf("rules[%d]: replace is needed", i)
		}
	}
	if len(c.ContentTypes) == 0 || slices.Contains(c.ContentTypes, "") {
		return config{}, errors.New("content_types needs at least one type, and none may be empty")
	}
	return c, nil
}
