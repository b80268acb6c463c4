package main

import (
	"errors"
	"fmt"
	"strings"
)

// config is the plugin configuration, as config.schema.json describes it.
type config struct {
	Cluster         string   `json:"cluster"`
	Authority       string   `json:"authority"`
	Path            string   `json:"path"`
	TimeoutMs       uint32   `json:"timeout_ms"`
	FailOpen        bool     `json:"fail_open"`
	StatusOnError   uint32   `json:"status_on_error"`
	RequestHeaders  []string `json:"request_headers"`
	UpstreamHeaders []string `json:"upstream_headers"`
	ClientHeaders   []string `json:"client_headers"`
	Skip            []string `json:"skip"`
}

// readSettings reads the plugin configuration and tells what is wrong with it.
func readSettings(size int) (config, error) {
	c := config{
		Path:           "/",
		TimeoutMs:      1000,
		StatusOnError:  503,
		RequestHeaders: []string{"authorization", "cookie"},
		ClientHeaders:  []string{"content-type", "location", "set-cookie", "www-authenticate"},
	}
	if err := readConfig(size, &c); err != nil {
		return config{}, err
	}
	if c.Cluster == "" {
		return config{}, errors.New("cluster has to be the name of one")
	}
	if c.Authority == "" {
		c.Authority = c.Cluster
	}
	if c.TimeoutMs < 1 || c.TimeoutMs > 60_000 {
		return config{}, errors.New("timeout_ms has to be from 1 to 60000")
	}
	if c.StatusOnError < 400 || c.StatusOnError > 599 {
		return config{}, errors.New("status_on_error has to be from 400 to 599")
	}
	for _, path := range append([]string{c.Path}, c.Skip...) {
		if !strings.HasPrefix(path, "/") {
			return config{}, fmt.Errorf("path, skip: %q does not begin with /", path)
		}
	}
	return c, c.checkNames()
}

func (c *config) checkNames() error {
	for _, list := range []struct {
		key   string
		names []string
	}{
		{"request_headers", c.RequestHeaders},
		{"upstream_headers", c.UpstreamHeaders},
		{"client_headers", c.ClientHeaders},
	} {
		for _, name := range list.names {
			if !isHeaderName(name) || name != strings.ToLower(name) {
				return fmt.Errorf("%s: %q is no name of a header in lower case", list.key, name)
			}
		}
	}
	return nil
}
