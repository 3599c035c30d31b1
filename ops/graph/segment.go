package graph

import (
	"fmt"
	"slices"
	"strings"
)

// A deep network is one computation many times over, with other weights: the
// blocks of a ViT-B are two, ten of them in windows and two over the whole grid.
// XLA does not see that. It compiles every repetition anew, which takes seconds,
// and keeps the code of all of them.
//
// So a program is cut where Scope.Block says that a part begins, and its
// segments become programs of their own. What a segment reads of others are
// arguments, what others read of it are results, and names are numbered anew, so that
// segments that compute the same have the same text: one is compiled for all of
// them, and called once for each with its weights. Between the calls
// activations stay on the device. Models say nothing but where parts begin.

// listing is a program as a list of operations, each value defined once and
// before it is read. It is written in StableHLO's text form.
type listing struct {
	inputs  []value
	ops     []operation
	results []string // names
}

// value is the name of a value with its percent sign, and its type.
type value struct{ name, kind string }

type operation struct {
	text    string // one operation, with its regions
	defines []value
}

// segment is a part of a listing that can run alone.
type segment struct {
	program string
	args    []string // names in the listing of what its parameters are
	results []string // the same of what it returns; a name may come twice
}

// divide cuts a listing before the given operations and returns what its
// segments are, in order. Neighbours that no other segment is like are not
// worth a call of their own and stay together; where nothing repeats itself
// there is one segment.
func (l listing) divide(cuts []int) []segment {
	d := newDivision(l)
	var ranges []span
	from := 0
	for _, cut := range append(slices.Sorted(slices.Values(cuts)), len(l.ops)) {
		if cut > from && cut <= len(l.ops) && d.computes(span{from, cut}) {
			ranges = append(ranges, span{from, cut})
			from = cut
		}
	}
	if len(ranges) == 0 {
		return []segment{d.segment(span{0, len(l.ops)})}
	}
	ranges[len(ranges)-1].to = len(l.ops) // what is behind the last cut may compute nothing

	copies := map[string]int{}
	for _, r := range ranges {
		copies[d.segment(r).program]++
	}
	var joined []span
	single := false // the last of joined is like no other
	for _, r := range ranges {
		alone := copies[d.segment(r).program] == 1
		if n := len(joined); alone && single {
			joined[n-1].to = r.to
		} else {
			joined = append(joined, r)
		}
		single = alone
	}
	out := make([]segment, len(joined))
	for i, r := range joined {
		out[i] = d.segment(r)
	}
	return out
}

// span is a run of operations.
type span struct{ from, to int }

func (s span) holds(i int) bool { return i >= s.from && i < s.to }

// division is what is known of a listing that is to be cut.
type division struct {
	listing
	reads    [][]string     // by operation: what it reads of the inputs and of other operations
	by       map[string]int // the operation that defines a name; -1 for inputs
	kind     map[string]string
	live     []bool           // a result depends on it
	constant []bool           // it depends on no input
	readers  map[string][]int // live operations that read a name
}

func newDivision(l listing) *division {
	n := len(l.ops)
	d := &division{
		listing: l, reads: make([][]string, n), by: map[string]int{}, kind: map[string]string{},
		live: make([]bool, n), constant: make([]bool, n), readers: map[string][]int{},
	}
	for _, v := range l.inputs {
		d.by[v.name], d.kind[v.name] = -1, v.kind
	}
	for i, op := range l.ops {
		d.constant[i] = true
		for name := range names(op.text) {
			from, known := d.by[name] // its own results and what lives inside its regions are not known yet
			if !known || slices.Contains(d.reads[i], name) {
				continue
			}
			d.reads[i] = append(d.reads[i], name)
			d.constant[i] = d.constant[i] && from >= 0 && d.constant[from]
		}
		for _, v := range op.defines {
			d.by[v.name], d.kind[v.name] = i, v.kind
		}
	}
	wanted := map[string]bool{}
	for _, name := range l.results {
		wanted[name] = true
	}
	for i := n - 1; i >= 0; i-- {
		d.live[i] = slices.ContainsFunc(l.ops[i].defines, func(v value) bool { return wanted[v.name] })
		if !d.live[i] {
			continue
		}
		for _, name := range d.reads[i] {
			wanted[name] = true
			d.readers[name] = append(d.readers[name], i)
		}
	}
	return d
}

// computes says whether anything in the range depends on an input and is needed.
func (d *division) computes(r span) bool {
	for i := r.from; i < r.to; i++ {
		if d.live[i] && !d.constant[i] {
			return true
		}
	}
	return false
}

// segment makes a program of a range of operations. Constants, and what depends
// on nothing else, are made again wherever they are read.
func (d *division) segment(r span) segment {
	var s segment
	last := r.to == len(d.ops)
	var body []int
	in := map[int]bool{}
	var take func(i int)
	take = func(i int) { // where they are read first, wherever they were made
		if in[i] {
			return
		}
		in[i] = true
		for _, name := range d.reads[i] {
			if from := d.by[name]; from >= 0 && d.constant[from] {
				take(from)
			}
		}
		body = append(body, i)
	}
	for i := r.from; i < r.to; i++ {
		if !d.live[i] || d.constant[i] {
			continue
		}
		take(i)
		for _, v := range d.ops[i].defines {
			if slices.ContainsFunc(d.readers[v.name], func(reader int) bool { return !r.holds(reader) }) && !slices.Contains(d.results, v.name) {
				s.results = append(s.results, v.name)
			}
		}
	}
	for _, name := range d.results {
		switch from := d.by[name]; {
		case from < 0 && last: // an input, as it is
			s.results = append(s.results, name)
		case from >= 0 && (r.holds(from) && !d.constant[from] || last && d.constant[from]):
			s.results = append(s.results, name)
			take(from)
		}
	}
	for _, i := range body {
		for _, name := range d.reads[i] {
			if from := d.by[name]; (from < 0 || !in[from]) && !slices.Contains(s.args, name) {
				s.args = append(s.args, name)
			}
		}
	}
	for _, name := range s.results {
		if d.by[name] < 0 && !slices.Contains(s.args, name) {
			s.args = append(s.args, name)
		}
	}
	s.program = d.write(body, s)
	return s
}

// write makes the text of a program of some operations.
func (d *division) write(body []int, s segment) string {
	number := map[string]string{}
	called := func(name string) string {
		if _, ok := number[name]; !ok {
			number[name] = fmt.Sprintf("%%%d", len(number))
		}
		return number[name]
	}
	declared := make([]string, len(s.args))
	for i, name := range s.args {
		declared[i] = called(name) + ": " + d.kind[name]
	}
	kinds := make([]string, len(s.results))
	for i, name := range s.results {
		kinds[i] = d.kind[name]
	}
	kind := strings.Join(kinds, ", ")
	var text strings.Builder
	fmt.Fprintf(&text, "module @segment {\n  func.func @main(%s) -> (%s) {\n", strings.Join(declared, ", "), kind)
	for _, i := range body {
		rename(&text, d.ops[i].text, called)
		text.WriteByte('\n')
	}
	results := make([]string, len(s.results))
	for i, name := range s.results {
		results[i] = called(name)
	}
	fmt.Fprintf(&text, "    \"func.return\"(%s) : (%s) -> ()\n  }\n}\n", strings.Join(results, ", "), kind)
	return text.String()
}

// names yields the names of values in a text, each with its percent sign, as
// often as they occur.
func names(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		scan(text, func(_, name string) bool { return name == "" || yield(name) })
	}
}

// rename writes a text in which every value has the name that called gives it.
func rename(w *strings.Builder, text string, called func(string) string) {
	scan(text, func(before, name string) bool {
		w.WriteString(before)
		if name != "" {
			w.WriteString(called(name))
		}
		return true
	})
}

// scan cuts a text behind every name of a value. What stands in quotes holds none.
func scan(text string, each func(before, name string) bool) {
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '%' && !quoted:
			end := i + 1
			for end < len(text) && inName(text[end]) {
				end++
			}
			if !each(text[start:i], text[i:end]) {
				return
			}
			start, i = end, end-1
		}
	}
	each(text[start:], "")
}

func inName(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
