package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// config is the plugin configuration, as config.schema.json describes it.
type config struct {
	MaxTokens     uint64  `json:"max_tokens"`
	TokensPerFill uint64  `json:"tokens_per_fill"`
	FillInterval  string  `json:"fill_interval"`
	Status        uint32  `json:"status"`
	KeyHeader     *string `json:"key_header"`
	KeyBuckets    uint32  `json:"key_buckets"`

	// interval is FillInterval, read.
	interval time.Duration
}

const mostTokens = 1_000_000_000

// readLimits reads the plugin configuration and tells what is wrong with it.
func readLimits(size int) (config, error) {
	c := config{TokensPerFill: 1, Status: 429, KeyBuckets: 1024}
	if err := readConfig(size, &c); err != nil {
		return config{}, err
	}
	if err := c.checkNumbers(); err != nil {
		return config{}, err
	}
	interval, err := parseInterval(c.FillInterval)
	if err != nil {
		return config{}, err
	}
	c.interval = interval
	if c.KeyHeader != nil && !isHeaderName(*c.KeyHeader) {
		return config{}, fmt.Errorf("key_header: %q is no name of a header", *c.KeyHeader)
	}
	return c, nil
}

func (c *config) checkNumbers() error {
	for _, number := range []struct {
		key                string
		value, least, most uint64
	}{
		{"max_tokens", c.MaxTokens, 1, mostTokens},
		{"tokens_per_fill", c.TokensPerFill, 1, mostTokens},
		{"status", uint64(c.Status), 400, 599},
		{"key_buckets", uint64(c.KeyBuckets), 1, 65536},
	} {
		if number.value < number.least || number.value > number.most {
			return fmt.Errorf("%s has to be a whole number from %d to %d", number.key, number.least, number.most)
		}
	}
	return nil
}

// parseInterval reads a whole number with ms, s, m or h, up to 24h.
func parseInterval(text string) (time.Duration, error) {
	digits := strings.TrimRight(text, "msh")
	unit, known := units[text[len(digits):]]
	count, err := strconv.ParseUint(digits, 10, 27)
	if err != nil || !known || digits[0] == '0' || count > uint64(24*time.Hour/unit) {
		return 0, errors.New(`fill_interval has to be a whole number with ms, s, m or h, up to "24h"`)
	}
	return time.Duration(count) * unit, nil
}

var units = map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour}
