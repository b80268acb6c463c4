package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// readConfig reads the plugin configuration, a JSON object of size bytes, into the struct that config points to. Keys
// that the struct does not have are errors, so that a misspelt one does not go unnoticed.
func readConfig(size int, config any) error {
	if size == 0 {
		return errors.New("there is none; it has to be a JSON object")
	}
	text, err := proxywasm.GetPluginConfiguration()
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(config); err != nil {
		return inWords(err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("not valid JSON: something follows its end")
	}
	return nil
}

// inWords says what is wrong in the words of JSON rather than in those of Go.
func inWords(err error) error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		if mismatch.Field == "" {
			return fmt.Errorf("it has to be a JSON object, not %s", mismatch.Value)
		}
		return fmt.Errorf("%s has to be %s, not %s", mismatch.Field, jsonKind(mismatch.Type), mismatch.Value)
	}
	if key, found := strings.CutPrefix(err.Error(), "json: unknown field "); found {
		return fmt.Errorf("unknown key %s", key)
	}
	return fmt.Errorf("not valid JSON: %w", err)
}

func jsonKind(goType reflect.Type) string {
	switch goType.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative"
	default:
		return "a number"
	}
}
