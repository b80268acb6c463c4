package main

import "bytes"

// rules is what is searched for, in the order in which it is tried.
type rules struct {
	list []compiledRule
	// begins tells with which bytes a match can begin.
	begins [256]bool
}

type compiledRule struct{ search, replace []byte }

func newRules(configured []ruleConfig) rules {
	var r rules
	for _, rule := range configured {
		r.list = append(r.list, compiledRule{[]byte(rule.Search), []byte(*rule.Replace)})
		r.begins[rule.Search[0]] = true
	}
	return r
}

// apply replaces every match. What may be the beginning of one is held for the next piece, unless this is the last one.
// The text stays as it is; what passes is a part of it when there is no match.
func (r *rules) apply(text []byte, last bool) (passes []byte, found int, held []byte) {
	done := 0
	for at := 0; at < len(text); {
		if !r.begins[text[at]] {
			at++
			continue
		}
		rule, waits := r.find(text[at:], last)
		switch {
		case waits:
			held = bytes.Clone(text[at:])
			text = text[:at]
		case rule == nil:
			at++
		default:
			passes = append(append(passes, text[done:at]...), rule.replace...)
			at += len(rule.search)
			done = at
			found++
		}
	}
	if found == 0 {
		return text, 0, held
	}
	return append(passes, text[done:]...), found, held
}

// find is the first rule that fits at the beginning of the text. It waits when there is one before that may fit when
// there is more text.
func (r *rules) find(text []byte, last bool) (rule *compiledRule, waits bool) {
	for i := range r.list {
		rule := &r.list[i]
		if bytes.HasPrefix(text, rule.search) {
			return rule, false
		}
		if !last && bytes.HasPrefix(rule.search, text) {
			return nil, true
		}
	}
	return nil, false
}
