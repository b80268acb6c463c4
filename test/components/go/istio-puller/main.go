// Takes modules out of images as Istio's agent does, with Istio's own code. Each argument is a reference; each answer
// is one line of JSON.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"

	"istio.io/istio/pkg/wasm"
)

type answer struct {
	Reference string `json:"reference"`
	// Of the manifest, as the agent compares it with what is pinned.
	ManifestDigest string `json:"manifestDigest,omitempty"`
	ModuleDigest   string `json:"moduleDigest,omitempty"`
	Refused        string `json:"refused,omitempty"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	for _, reference := range os.Args[1:] {
		if err := out.Encode(pull(reference)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func pull(reference string) answer {
	fetcher := wasm.NewImageFetcher(context.Background(), wasm.ImageFetcherOption{Insecure: true})
	fetch, digest, err := fetcher.PrepareFetch(reference)
	if err != nil {
		return answer{Reference: reference, Refused: err.Error()}
	}
	module, err := fetch()
	if err != nil {
		return answer{Reference: reference, Refused: err.Error()}
	}
	return answer{
		Reference:      reference,
		ManifestDigest: "sha256:" + digest,
		ModuleDigest:   fmt.Sprintf("sha256:%x", sha256.Sum256(module)),
	}
}
