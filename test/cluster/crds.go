//go:build tools

package main

// Never compiled: keeps istio.io/api in go.mod through `go mod tidy`. The tests read the custom resource
// definitions from the module's folder.
import _ "istio.io/api/networking/v1alpha3"
