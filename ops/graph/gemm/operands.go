package gemm

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// Layout is how the right side of products lies when it is packed, in an order that depends on nothing but this.
type Layout struct {
	Columns, Depth int
	Transposed     bool // before packing it is Columns rows of Depth numbers, else the other way round
	Winograd       bool // packed are sums of its quarters
}

// Size is how many numbers are packed: as many as before, or, of sums of quarters, seven for every four and a few that say where they lie.
func (l Layout) Size() int {
	if l.Winograd {
		return l.Columns*l.Depth/4*7 + 16
	}
	return l.Columns * l.Depth
}

// Operand is an argument of a program that products take packed or as it is.
type Operand struct {
	Argument int // its number
	Layout   Layout
}

var (
	signature = regexp.MustCompile(`func\.func @main\(([^()]*)\)`)
	parameter = regexp.MustCompile(`(%\w+): tensor<[^>]*>`)
	name      = regexp.MustCompile(`%\w+`)
)

// flags is the name of the argument that TakePacked adds.
const flags = "%packed"

// mostRows is how many rows a product may have to be worth packed weights: packing takes a thirtieth of the time of one of 256 rows, and so on in proportion.
const mostRows = 512

// TakePacked looks for arguments of a program that are weights and nothing but the right side of products of this package, and changes these products so
// that they take them packed as well, unless they have so many rows that it is of little use. For the operands that it returns the program has one more argument, the last: 32-bit integers, one for each of them in
// order, not 0 where it is packed. Without such operands the program comes back as it was. With winograd, products that gain by it are computed by Winograd's
// variant of Strassen's algorithm, packed or not.
func TakePacked(program []byte, weight func(argument int) bool, winograd bool) ([]byte, []Operand) {
	at := signature.FindSubmatchIndex(program)
	if at == nil || bytes.Contains(program, sharding) {
		return program, nil
	}
	type use struct {
		layout Layout
		times  int
	}
	var order []string
	uses := map[string]*use{}
	for i, m := range parameter.FindAllSubmatch(program[at[2]:at[3]], -1) {
		order = append(order, string(m[1]))
		if weight(i) {
			uses[string(m[1])] = &use{}
		}
	}
	replace(program, func(m [][]byte) string {
		p, ok := understood(m)
		if u := uses[string(m[2])]; ok && u != nil && p.columns%16 == 0 && p.rows <= mostRows {
			if l := (Layout{p.columns, p.k, p.bTransposed, winograd && p.gainsByWinograd()}); u.times == 0 || u.layout == l {
				u.layout = l
				u.times++
			}
		}
		return ""
	})
	said := map[string]int{}
	for _, n := range name.FindAll(program, -1) {
		said[string(n)]++
	}
	var operands []Operand
	slots := map[string]int{}
	for i, n := range order {
		if u := uses[n]; u != nil && u.times > 0 && said[n] == u.times+1 { // and once where it is declared
			slots[n] = len(operands)
			operands = append(operands, Operand{i, u.layout})
		}
	}
	if operands == nil || said[flags] > 0 {
		return program, nil
	}
	end := at[3]
	changed := fmt.Appendf(nil, "%s, %s: tensor<%dxi32>%s", program[:end], flags, len(operands), program[end:])
	return replace(changed, func(m [][]byte) string {
		slot, ok := slots[string(m[2])]
		if !ok {
			return ""
		}
		p, _ := understood(m)
		return p.call(slot, len(operands), operands[slot].Layout.Winograd)
	}), operands
}

// gainsByWinograd is where seven products of halves were measured to be faster than one of the whole, with 256 rows of a ViT-B: halves of 64 rows and 256 columns or
// depth at the least, so that what is added (fifteen sums of quarters, whose work grows with the square of the size) stays small beside an eighth of the
// multiplications, and fill tiles of 8 by 16, so that no tile is computed in vain. docs/performance.md has the figures and the error.
func (p dotProduct) gainsByWinograd() bool {
	return !p.aTransposed && p.rows >= 128 && p.columns >= 512 && p.k >= 512 && p.rows%16 == 0 && p.columns%32 == 0 && p.k%32 == 0
}

// call is the text of a product as a call. If there are slots, B may be packed.
func (p dotProduct) call(slot, slots int, winograd bool) string {
	flag := map[bool]int{true: 1}
	operands, attributes := []string{p.names[0], p.names[1]}, []string{fmt.Sprintf("a_transposed = %d : i64", flag[p.aTransposed])}
	layouts, types := []string{layout(p.a), layout(p.b)}, []string{p.types[0], p.types[1]}
	if slots > 0 {
		operands = append(operands, flags)
		attributes = append(attributes, fmt.Sprintf("b_slot = %d : i64", slot))
		layouts, types = append(layouts, layout([]int{slots})), append(types, fmt.Sprintf("tensor<%dxi32>", slots))
	}
	attributes = append(attributes, fmt.Sprintf("b_transposed = %d : i64", flag[p.bTransposed]), fmt.Sprintf("k = %d : i64", p.k))
	if winograd {
		attributes = append(attributes, "winograd = 1 : i64")
	}
	const comma = ", "
	return fmt.Sprintf(`"stablehlo.custom_call"(%s) {
      call_target_name = %q,
      api_version = 4 : i32,
      backend_config = {%s},
      operand_layouts = [%s],
      result_layouts = [%s]
    } : (%s) -> %s`,
		strings.Join(operands, comma), target, strings.Join(attributes, comma), strings.Join(layouts, comma), layout(p.out), strings.Join(types, comma), p.types[2])
}
