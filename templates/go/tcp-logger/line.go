package main

import (
	"strconv"
	"time"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// line is what is logged of the connection: compact JSON.
func (c *connection) line() string {
	line := make([]byte, 0, 256)
	line = append(line, '{')
	line = appendProperty(line, "source", []string{"source", "address"})
	line = appendProperty(line, "destination", []string{"destination", "address"})
	line = appendNumber(line, "bytes_received", int64(c.received))
	line = appendNumber(line, "bytes_sent", int64(c.sent))
	line = appendNumber(line, "duration_ms", time.Since(c.began).Milliseconds())
	if c.closedBy != "" {
		line = appendText(appendKey(line, "closed_by"), c.closedBy)
	}
	for _, field := range c.plugin.fields {
		line = appendProperty(line, field.name, field.path)
	}
	return string(append(line, '}'))
}

// appendProperty writes a field, unless the property is not there.
func appendProperty(line []byte, name string, path []string) []byte {
	value, err := proxywasm.GetProperty(path)
	if err != nil {
		return line
	}
	return appendText(appendKey(line, name), string(value))
}

func appendNumber(line []byte, name string, number int64) []byte {
	return strconv.AppendInt(appendKey(line, name), number, 10)
}

func appendKey(line []byte, name string) []byte {
	if len(line) > 1 {
		line = append(line, ',')
	}
	return append(appendText(line, name), ':')
}
