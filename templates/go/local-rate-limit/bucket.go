package main

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

// bucket is what lies in the shared data: 16 bytes, the two numbers in turn, each with its lowest byte first.
type bucket struct {
	tokens uint64
	// filledAt is the time of the last fill in nanoseconds since 1970.
	filledAt uint64
}

// takeToken takes a token out of a bucket. Without one it returns how long it takes until there are new ones.
func (c *config) takeToken(key string, now uint64) (wait time.Duration, err error) {
	for {
		stored, version, err := proxywasm.GetSharedData(key)
		if err != nil && !errors.Is(err, types.ErrorStatusNotFound) {
			return 0, err
		}
		b, known := readBucket(stored)
		if !known {
			b = bucket{tokens: c.MaxTokens, filledAt: now}
		}
		before := b
		b.fill(c, now)
		if b.tokens > 0 {
			b.tokens--
		} else {
			wait = time.Duration(b.filledAt + uint64(c.interval) - now)
		}
		if b == before {
			return wait, nil
		}
		err = proxywasm.SetSharedData(key, b.bytes(), version)
		if !errors.Is(err, types.ErrorStatusCasMismatch) {
			return wait, err
		}
		// Another worker thread was faster: look at what it left.
		wait = 0
	}
}

// fill adds the tokens of the intervals that have passed since the last fill.
func (b *bucket) fill(c *config, now uint64) {
	b.tokens = min(b.tokens, c.MaxTokens)
	if b.filledAt > now { // the clock was set back
		b.filledAt = now
	}
	intervals := (now - b.filledAt) / uint64(c.interval)
	b.filledAt += intervals * uint64(c.interval)
	if missing := c.MaxTokens - b.tokens; intervals > missing/c.TokensPerFill {
		b.tokens = c.MaxTokens
	} else {
		b.tokens += intervals * c.TokensPerFill
	}
}

func readBucket(data []byte) (b bucket, ok bool) {
	if len(data) != 16 {
		return bucket{}, false
	}
	return bucket{binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:])}, true
}

func (b *bucket) bytes() []byte {
	data := make([]byte, 0, 16)
	data = binary.LittleEndian.AppendUint64(data, b.tokens)
	return binary.LittleEndian.AppendUint64(data, b.filledAt)
}
