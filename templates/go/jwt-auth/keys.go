package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"slices"
)

// keySet is the public keys that tokens may be signed with.
type keySet []key

type key struct {
	id, algorithm string
	// verify tells whether a signature is one of this key, over what has this SHA-256.
	verify func(hash, signature []byte) bool
}

// verify checks the signature of a token.
func (s keySet) verify(t *token) error {
	keys := s.fitting(t)
	if len(keys) == 0 {
		return errKey
	}
	hash := sha256.Sum256([]byte(t.signed))
	for _, key := range keys {
		if key.verify(hash[:], t.signature) {
			return nil
		}
	}
	return errSignature
}

// fitting is the keys that a token may be signed with: the one it names, or all when it names none; never one of
// another algorithm.
func (s keySet) fitting(t *token) []key {
	var keys []key
	for _, key := range s {
		if key.algorithm == t.algorithm && (t.keyID == "" || t.keyID == key.id) {
			keys = append(keys, key)
		}
	}
	return keys
}

// jsonKey is a key as RFC 7517 and RFC 7518, section 6, write it.
type jsonKey struct {
	Type       string    `json:"kty"`
	ID         string    `json:"kid"`
	Use        string    `json:"use"`
	Operations *[]string `json:"key_ops"`
	Algorithm  string    `json:"alg"`
	Curve      string    `json:"crv"`
	N, E, X, Y string
}

// readKeys reads a JSON Web Key Set. Keys that cannot be used are left out, as there may be some for others.
func readKeys(text []byte) keySet {
	var set struct{ Keys []json.RawMessage }
	if json.Unmarshal(text, &set) != nil {
		return nil
	}
	var keys keySet
	for _, text := range set.Keys {
		var from jsonKey
		if json.Unmarshal(text, &from) != nil {
			continue
		}
		if key, usable := from.read(); usable {
			keys = append(keys, key)
		}
	}
	return keys
}

func (k *jsonKey) read() (key, bool) {
	if k.Use != "" && k.Use != "sig" || k.Operations != nil && !slices.Contains(*k.Operations, "verify") {
		return key{}, false
	}
	read := key{id: k.ID}
	switch k.Type {
	case "RSA":
		read.algorithm, read.verify = "RS256", k.verifyRSA()
	case "EC":
		read.algorithm, read.verify = "ES256", k.verifyEC()
	}
	return read, read.verify != nil && (k.Algorithm == "" || k.Algorithm == read.algorithm)
}

func (k *jsonKey) verifyRSA() func(hash, signature []byte) bool {
	n, e := readInt(k.N), readInt(k.E)
	if n == nil || e == nil || n.BitLen() < 2048 || n.BitLen() > 4096 || e.BitLen() > 31 || e.Int64() < 3 {
		return nil
	}
	public := &rsa.PublicKey{N: n, E: int(e.Int64())}
	return func(hash, signature []byte) bool {
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, hash, signature) == nil
	}
}

func (k *jsonKey) verifyEC() func(hash, signature []byte) bool {
	x, y := readInt(k.X), readInt(k.Y)
	if k.Curve != "P-256" || x == nil || y == nil {
		return nil
	}
	public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y}
	if _, err := public.ECDH(); err != nil { // not a point of the curve
		return nil
	}
	return func(hash, signature []byte) bool {
		if len(signature) != 64 {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(public, hash, r, s)
	}
}

// readInt reads base64url of a number, its highest byte first; nil when there is none.
func readInt(text string) *big.Int {
	decoded, err := base64url.DecodeString(text)
	if err != nil || len(decoded) == 0 {
		return nil
	}
	return new(big.Int).SetBytes(decoded)
}
