package main

import (
	"errors"
	"fmt"
	"strings"
)

// config is the plugin configuration, as config.schema.json describes it.
type config struct {
	Variants        []variant     `json:"variants"`
	Header          string        `json:"header"`
	ResponseHeader  string        `json:"response_header"`
	Sticky          *stickyConfig `json:"sticky"`
	Experiment      string        `json:"experiment"`
	ClientMayChoose bool          `json:"client_may_choose"`

	// total is the sum of the weights.
	total uint64
}

type variant struct {
	Name       string `json:"name"`
	Weight     uint64 `json:"weight"`
	PathPrefix string `json:"path_prefix"`
	Authority  string `json:"authority"`
}

type stickyConfig struct {
	Header string `json:"header"`
	Cookie string `json:"cookie"`
	MaxAge uint32 `json:"max_age"`
}

const mostSeconds = 34_560_000 // 400 days, the most that browsers keep a cookie

// readSettings reads the plugin configuration and tells what is wrong with it.
func readSettings(size int) (config, error) {
	c := config{Header: "x-variant"}
	if err := readConfig(size, &c); err != nil {
		return config{}, err
	}
	if len(c.Variants) == 0 || len(c.Variants) > 64 {
		return config{}, errors.New("variants needs from 1 to 64 variants")
	}
	for i := range c.Variants {
		if err := c.checkVariant(i); err != nil {
			return config{}, fmt.Errorf("variants[%d].%w", i, err)
		}
		c.total += c.Variants[i].Weight
	}
	if c.total == 0 {
		return config{}, errors.New("variants: at least one weight has to be above 0")
	}
	if !isHeaderName(c.Header) {
		return config{}, fmt.Errorf("header: %q is no name of a header", c.Header)
	}
	if c.ResponseHeader != "" && !isHeaderName(c.ResponseHeader) {
		return config{}, fmt.Errorf("response_header: %q is no name of a header", c.ResponseHeader)
	}
	return c, c.checkSticky()
}

func (c *config) checkVariant(index int) error {
	v := &c.Variants[index]
	switch {
	case len(v.Name) > 64 || !isHeaderName(v.Name) || strings.ContainsAny(v.Name, "!#$%&'*+.^`|~"):
		return fmt.Errorf("name: %q can be no part of a metric's name", v.Name)
	case c.named(v.Name) != index:
		return fmt.Errorf("name: %q is there twice", v.Name)
	case v.Weight > 1_000_000:
		return errors.New("weight has to be from 0 to 1000000")
	case v.PathPrefix != "" && (v.PathPrefix[0] != '/' || strings.HasSuffix(v.PathPrefix, "/")):
		return fmt.Errorf("path_prefix: %q has to begin with /, and not to end with it", v.PathPrefix)
	}
	return nil
}

func (c *config) checkSticky() error {
	s := c.Sticky
	switch {
	case s == nil:
		return nil
	case (s.Header == "") == (s.Cookie == ""):
		return errors.New("sticky needs one of header and cookie, and only one")
	case !isHeaderName(s.Header + s.Cookie):
		return fmt.Errorf("sticky: %q is no name of a header or a cookie", s.Header+s.Cookie)
	case s.MaxAge == 0:
		s.MaxAge = 30 * 24 * 60 * 60
	case s.MaxAge > mostSeconds:
		return fmt.Errorf("sticky.max_age has to be from 1 to %d", mostSeconds)
	}
	return nil
}
