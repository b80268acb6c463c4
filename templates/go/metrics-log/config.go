package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// config is the plugin configuration, as config.schema.json describes it.
type config struct {
	StatPrefix string        `json:"stat_prefix"`
	Labels     []labelConfig `json:"labels"`
	LogFields  []string      `json:"log_fields"`
	LogHeaders []string      `json:"log_headers"`

	// columns are those of the access log: fields, then headers.
	columns []column
}

type labelConfig struct {
	Name   string   `json:"name"`
	Header string   `json:"header"`
	Values []string `json:"values"`
}

// readChoices reads the plugin configuration, which may be empty, and tells what is wrong with it.
func readChoices(size int) (config, error) {
	c := config{StatPrefix: "metrics_log"}
	if size > 0 {
		if err := readConfig(size, &c); err != nil {
			return config{}, err
		}
	}
	if parts := strings.Split(c.StatPrefix, "."); !isName(parts[0]) || !all(parts, isPart) || len(c.StatPrefix) > 64 {
		return config{}, fmt.Errorf("stat_prefix: %q is no name of a metric", c.StatPrefix)
	}
	if len(c.Labels) > 8 {
		return config{}, errors.New("labels: no more than 8 are possible")
	}
	for i, label := range c.Labels {
		if err := label.check(); err != nil {
			return config{}, fmt.Errorf("labels[%d].%w", i, err)
		}
	}
	if err := c.readColumns(); err != nil {
		return config{}, err
	}
	return c, nil
}

func (l *labelConfig) check() error {
	if !isName(l.Name) || len(l.Name) > 64 {
		return fmt.Errorf("name: %q can be no part of a metric's name", l.Name)
	}
	if !isHeaderName(l.Header) {
		return fmt.Errorf("header: %q is no name of a header", l.Header)
	}
	if len(l.Values) == 0 || len(l.Values) > 64 {
		return errors.New("values: from 1 to 64 are needed")
	}
	for _, value := range l.Values {
		if len(value) > 64 || !isHeaderName(value) || strings.ContainsAny(value, "!#$%&'*+.^`|~") {
			return fmt.Errorf("values: %q can be no part of a metric's name", value)
		}
	}
	return nil
}

func (c *config) readColumns() error {
	for i, name := range c.LogFields {
		at := slices.IndexFunc(fields, func(field column) bool { return field.name == name })
		if at < 0 {
			return fmt.Errorf("log_fields: %q is no field", name)
		}
		if slices.Contains(c.LogFields[:i], name) {
			return fmt.Errorf("log_fields: %q is there twice", name)
		}
		c.columns = append(c.columns, fields[at])
	}
	for _, header := range c.LogHeaders {
		if !isHeaderName(header) {
			return fmt.Errorf("log_headers: %q is no name of a header", header)
		}
		c.columns = append(c.columns, headerColumn(header))
	}
	return nil
}

// isName tells whether the text is a part of a metric's name that begins with a letter.
func isName(text string) bool {
	return isPart(text) && text[0] >= 'a' && text[0] <= 'z'
}

// isPart tells whether the text is letters in lower case, digits and underscores.
func isPart(text string) bool {
	return isHeaderName(text) && text == strings.ToLower(text) && !strings.ContainsAny(text, "!#$%&'*+-.^`|~")
}

func all(texts []string, holds func(string) bool) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return !holds(text) })
}
