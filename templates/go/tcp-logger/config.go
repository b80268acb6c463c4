package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// config is the plugin configuration, as config.schema.json describes it.
type config struct {
	Level  string            `json:"level"`
	Fields map[string]string `json:"fields"`

	// log writes a line with the configured level.
	log func(line string)
	// fields are Fields, in the order of their names.
	fields []field
}

// field is a name in the line, and the path of the property that is its value.
type field struct {
	name string
	path []string
}

var levels = map[string]func(string){
	"trace":    proxywasm.LogTrace,
	"debug":    proxywasm.LogDebug,
	"info":     proxywasm.LogInfo,
	"warn":     proxywasm.LogWarn,
	"error":    proxywasm.LogError,
	"critical": proxywasm.LogCritical,
}

// readSettings reads the plugin configuration, which may be empty, and tells what is wrong with it.
func readSettings(size int) (config, error) {
	c := config{Level: "info"}
	if size > 0 {
		if err := readConfig(size, &c); err != nil {
			return config{}, err
		}
	}
	log, known := levels[c.Level]
	if !known {
		return config{}, fmt.Errorf("level: %q is none of trace, debug, info, warn, error, critical", c.Level)
	}
	c.log = log
	if len(c.Fields) > 16 {
		return config{}, errors.New("fields: no more than 16 are possible")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		path := strings.Split(c.Fields[name], ".")
		if !isName(name) || slices.Contains(path, "") {
			return config{}, fmt.Errorf("fields: %q has to be a name in lower case with a path of a property", name)
		}
		c.fields = append(c.fields, field{name, path})
	}
	return c, nil
}

// isName tells whether the text is letters in lower case, digits and underscores, and begins with a letter.
func isName(text string) bool {
	for i, c := range []byte(text) {
		if letter := c >= 'a' && c <= 'z'; !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return text != ""
}
