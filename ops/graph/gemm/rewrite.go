package gemm

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// target is the name under which the product is registered with XLA.
const target = "mseg.product"

var (
	dot       = []byte(`"stablehlo.dot_general"(`)
	sharding  = []byte("sharding")
	statement = regexp.MustCompile(`(?s)^"stablehlo\.dot_general"\((%\w+), (%\w+)\) \{` +
		`\s*dot_dimension_numbers = #stablehlo\.dot<\s*lhs_batching_dimensions = \[\],\s*rhs_batching_dimensions = \[\],` +
		`\s*lhs_contracting_dimensions = \[([\d, ]+)\],\s*rhs_contracting_dimensions = \[([\d, ]+)\]\s*>` +
		`(?:,\s*precision_config = \[[^\]]*\])?\s*\} : \(tensor<([\dx]+)xf32>, tensor<([\dx]+)xf32>\) -> tensor<([\dx]+)xf32>`)
)

// longest is more than a statement of a product takes.
const longest = 2048

// Rewrite puts calls of this package's product in the place of those products of a StableHLO program, in its generic textual form, that it computes
// faster than XLA. A program that is to run on several devices, and whatever is not understood here, stays as it is.
func Rewrite(program []byte) []byte {
	if bytes.Contains(program, sharding) {
		return program
	}
	return replace(program, func(m [][]byte) string {
		if p, ok := understood(m); ok {
			return p.call(0, 0, false)
		}
		return ""
	})
}

// replace puts other texts in the place of a program's products. A product for which there is none, "", stays.
func replace(program []byte, text func(m [][]byte) string) []byte {
	var out []byte
	rest := program
	for {
		at := bytes.Index(rest, dot)
		if at < 0 {
			break
		}
		out = append(out, rest[:at]...)
		rest = rest[at:]
		m := statement.FindSubmatch(rest[:min(len(rest), longest)])
		call := ""
		if m != nil {
			call = text(m)
		}
		if call == "" {
			out = append(out, dot...)
			rest = rest[len(dot):]
			continue
		}
		out = append(out, call...)
		rest = rest[len(m[0]):]
	}
	if out == nil {
		return program
	}
	return append(out, rest...)
}

// dotProduct is a product of two matrices that is computed here.
type dotProduct struct {
	names                    [2]string
	types                    [3]string
	a, b, out                []int // dimensions
	rows, columns, k         int
	aTransposed, bTransposed bool
}

// understood is the product of a matched statement, if it should be computed here.
func understood(m [][]byte) (p dotProduct, ok bool) {
	p = dotProduct{names: [2]string{string(m[1]), string(m[2])}, a: axes(m[5], "x"), b: axes(m[6], "x"), out: axes(m[7], "x")}
	for i, dims := range m[5:8] {
		p.types[i] = fmt.Sprintf("tensor<%sxf32>", dims)
	}
	aFirst, k, okA := side(p.a, axes(m[3], ","))
	bFirst, kB, okB := side(p.b, axes(m[4], ","))
	if !okA || !okB || k != kB || !worthwhile(size(p.a)/k, size(p.b)/k, k) {
		return p, false
	}
	p.rows, p.columns, p.k, p.aTransposed, p.bTransposed = size(p.a)/k, size(p.b)/k, k, aFirst, !bFirst
	return p, true
}

// worthwhile is where this product was seen to be faster than XLA's, within programs of a ViT-B: one side of the weights at least is wide. docs/performance.md
// has the figures.
func worthwhile(rows, columns, depth int) bool {
	return rows >= 16 && columns >= 32 && depth >= 32 && max(columns, depth) >= 512 && rows*columns*depth >= 1<<22
}

// side says of an operand whether the axes that are summed over come first, and how many numbers that are. They have to be the first or the last
// axes, in order.
func side(dims, summed []int) (first bool, k int, ok bool) {
	n := len(summed)
	if n == 0 || n >= len(dims) {
		return false, 0, false
	}
	first = summed[0] == 0
	start := 0
	if !first {
		start = len(dims) - n
	}
	for i, axis := range summed {
		if axis != start+i {
			return false, 0, false
		}
	}
	k = size(dims[start : start+n])
	return first, k, k > 0
}

func size(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

func axes(text []byte, separator string) []int {
	var out []int
	for s := range strings.SplitSeq(string(text), separator) {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil {
			return nil
		}
		out = append(out, n)
	}
	return out
}

// layout says that an array lies row after row.
func layout(dims []int) string {
	order := make([]string, len(dims))
	for i := range dims {
		order[i] = strconv.Itoa(len(dims) - 1 - i)
	}
	return fmt.Sprintf("dense<[%s]> : tensor<%dxindex>", strings.Join(order, ", "), len(dims))
}
