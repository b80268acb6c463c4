package main

import "unicode/utf8"

// appendText writes a JSON string. Bytes that are no UTF-8 become U+FFFD, as JSON has no way to say them.
func appendText(line []byte, text string) []byte {
	line = append(line, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			line = append(line, '\\', byte(c))
		case c >= '\b' && c <= '\r' && c != '\v':
			line = append(line, '\\', "btn_fr"[c-'\b'])
		case c < ' ':
			line = append(line, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			line = utf8.AppendRune(line, c)
		}
	}
	return append(line, '"')
}
