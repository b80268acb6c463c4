package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// column is a name and a value in the line of the access log. The value is read when the request comes, as a text, or
// at its end, as a number.
type column struct {
	name    string
	atStart func(target *target) *string
	atEnd   func(s *stream) int64
}

// fields are the columns that can be configured by name.
var fields = []column{
	{name: "method", atStart: func(*target) *string { return requestHeader(":method") }},
	{name: "host", atStart: func(*target) *string { return requestHeader(":authority") }},
	{name: "path", atStart: func(t *target) *string { return t.path }},
	{name: "query", atStart: func(t *target) *string { return t.query }},
	{name: "request_id", atStart: func(*target) *string { return requestHeader("x-request-id") }},
	{name: "user_agent", atStart: func(*target) *string { return requestHeader("user-agent") }},
	{name: "source_ip", atStart: func(*target) *string { return sourceIP() }},
	{name: "status", atEnd: func(s *stream) int64 { return int64(s.status) }},
	{name: "duration_ms", atEnd: func(s *stream) int64 { return s.duration }},
}

func headerColumn(name string) column {
	return column{name: strings.ToLower(name), atStart: func(*target) *string { return requestHeader(name) }}
}

// target is the two parts of a request's path; nil what is not there.
type target struct{ path, query *string }

func readTarget() *target {
	both := requestHeader(":path")
	if both == nil {
		return &target{}
	}
	path, query, found := strings.Cut(*both, "?")
	if !found {
		return &target{path: &path}
	}
	return &target{path: &path, query: &query}
}

// keepTexts reads what the access log shows of the request.
func (s *stream) keepTexts() {
	columns := s.plugin.columns
	if len(columns) == 0 {
		return
	}
	target := readTarget()
	s.texts = make([]*string, len(columns))
	for i := range columns {
		if columns[i].atStart != nil {
			s.texts[i] = columns[i].atStart(target)
		}
	}
}

// line is the line of the access log: compact JSON, in the order of the configuration.
func (s *stream) line() string {
	line := make([]byte, 0, 256)
	separator := byte('{')
	for i := range s.plugin.columns {
		column, text := &s.plugin.columns[i], s.texts[i]
		line = append(appendText(append(line, separator), column.name), ':')
		separator = ','
		switch {
		case column.atEnd != nil:
			line = strconv.AppendInt(line, column.atEnd(s), 10)
		case text == nil:
			line = append(line, "null"...)
		default:
			line = appendText(line, cut(*text))
		}
	}
	return string(append(line, '}'))
}

// longest is how many bytes of a text stand in the line.
const longest = 512

// cut shortens a text, never within a character.
func cut(text string) string {
	if len(text) <= longest {
		return text
	}
	end := longest
	for end > longest-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}
