package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
)

// token is a JSON Web Token in its parts. Nothing of it can be trusted before its signature has been verified.
type token struct {
	algorithm, keyID string
	// signed is what the signature is about.
	signed    string
	signature []byte
	claims    map[string]any
}

var (
	errMalformed = errors.New("the token is malformed")
	errAlgorithm = errors.New("the token's algorithm is not accepted")
	errKey       = errors.New("the token's key is not known")
	errSignature = errors.New("the token's signature is wrong")
	errEndless   = errors.New("the token does not expire")
	errExpired   = errors.New("the token has expired")
	errEarly     = errors.New("the token is not valid yet")
	errIssuer    = errors.New("the token's issuer is not accepted")
	errAudience  = errors.New("the token's audience is not accepted")
)

// parseToken takes a token in compact form apart (RFC 7515, section 7.1).
func parseToken(text string) (*token, error) {
	parts := strings.SplitN(text, ".", 4)
	if len(parts) != 3 {
		return nil, errMalformed
	}
	header, headerErr := decodeObject(parts[0])
	claims, claimsErr := decodeObject(parts[1])
	signature, signatureErr := base64url.DecodeString(parts[2])
	if headerErr != nil || claimsErr != nil || signatureErr != nil {
		return nil, errMalformed
	}
	algorithm, hasAlgorithm := header["alg"].(string)
	keyID, hasKeyID := header["kid"].(string)
	_, namesKey := header["kid"]
	_, isCritical := header["crit"] // an extension that has to be understood; none is
	if !hasAlgorithm || namesKey && !hasKeyID || isCritical {
		return nil, errMalformed
	}
	if algorithm != "RS256" && algorithm != "ES256" {
		return nil, errAlgorithm
	}
	for _, claim := range []string{"exp", "nbf"} {
		if value, there := claims[claim]; there && !isNumber(value) {
			return nil, errMalformed
		}
	}
	signed := text[:len(parts[0])+1+len(parts[1])]
	return &token{algorithm, keyID, signed, signature, claims}, nil
}

// checkClaims checks what a token says, whose signature is right.
func (c *config) checkClaims(claims map[string]any) error {
	now := float64(time.Now().UnixMilli()) / 1000
	if _, ends := claims["exp"]; !ends {
		return errEndless
	}
	if now >= number(claims["exp"])+float64(c.LeewaySeconds) {
		return errExpired
	}
	if now < number(claims["nbf"])-float64(c.LeewaySeconds) {
		return errEarly
	}
	if issuer, _ := claims["iss"].(string); c.Issuer != "" && issuer != c.Issuer {
		return errIssuer
	}
	if c.Audiences == nil {
		return nil
	}
	audiences, isList := claims["aud"].([]any)
	if !isList {
		audiences = []any{claims["aud"]}
	}
	for _, audience := range audiences {
		if name, isText := audience.(string); isText && slices.Contains(c.Audiences, name) {
			return nil
		}
	}
	return errAudience
}

// headerValue is a claim as the value of a header: text, a whole number, true and false, or a list of text. It is ""
// for others, and for text that would end the header.
func headerValue(claim any) string {
	switch value := claim.(type) {
	case string:
		if !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return value
		}
	case json.Number:
		if !strings.ContainsAny(value.String(), ".eE") {
			return value.String()
		}
	case bool:
		if value {
			return "true"
		}
		return "false"
	case []any:
		texts := make([]string, len(value))
		for i, item := range value {
			text, isText := item.(string)
			if texts[i] = headerValue(text); !isText || texts[i] == "" {
				return ""
			}
		}
		return strings.Join(texts, ",")
	}
	return ""
}

func isNumber(value any) bool {
	number, ok := value.(json.Number)
	if !ok {
		return false
	}
	_, err := number.Float64()
	return err == nil
}

// number is the value of a number, 0 for anything else.
func number(value any) float64 {
	number, _ := value.(json.Number)
	float, _ := number.Float64()
	return float
}

var base64url = base64.RawURLEncoding.Strict()

// decodeObject reads base64url of a JSON object. Names are taken as they are spelt, unlike in a struct.
func decodeObject(text string) (map[string]any, error) {
	decoded, err := base64url.DecodeString(text)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(decoded))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF || object == nil {
		return nil, errMalformed
	}
	return object, nil
}
