package complete

import (
	"slices"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/source"
)

// Call is the call of a builtin that an offset stands in, and which parameter is being written; -1 when that cannot be said.
type Call struct {
	Builtin *builtin.Builtin
	Param   int
}

// CallAt finds the innermost call of a builtin around an offset.
func CallAt(f *source.File, offset int) (Call, bool) {
	var p place
	if offset = max(0, min(offset, len(f.Text))); !p.find(f, offset) { // inside a string or a number: it is an argument all the same
		p = place{}
		p.find(source.New("", f.Text[:offset]+" "), offset+1)
	}
	for i := len(p.frames) - 1; i >= 0; i-- {
		b := p.callee(i)
		if b == nil {
			continue
		}
		to := len(p.tokens)
		if i+1 < len(p.frames) {
			to = p.frames[i+1].at - 1
		}
		from, named := p.argument(p.frames[i], to)
		if named {
			key := p.tokens[from-2].Text
			return Call{b, slices.IndexFunc(b.Params, func(q builtin.Param) bool { return q.Name == key })}, true
		}
		n := p.commas(p.frames[i].at, min(from, to))
		for k, q := range b.Params {
			switch {
			case q.Piped && (p.frames[i].piped || !q.Need):
			case q.Rest || n == 0:
				return Call{b, k}, true
			default:
				n--
			}
		}
		return Call{b, -1}, true
	}
	return Call{}, false
}
