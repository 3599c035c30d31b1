package report

import (
	"math"
	"strconv"
	"strings"
)

// Table is a table of typed columns. Rows between two group rows belong
// together.
type Table struct {
	ID      string // names the CSV and JSON files and the anchor; letters, digits, - and _
	Title   string // in bold before the caption
	Caption string
	Columns []Column
	Rows    []Row
	// BestWithin says over which rows the best value of a column is sought.
	BestWithin Scope
}

// Scope is a range of rows.
type Scope string

const (
	WholeTable Scope = ""
	EachGroup  Scope = "group"
)

// Column describes the cells below it.
type Column struct {
	Name   string
	Unit   string // printed after the name: "mm"
	Doc    string // shown when the head is pointed at, and in the JSON file
	Kind   Kind
	Digits int    // decimals of numbers; Shortest: as many as a number needs
	Better Better // the best value is set in bold
	// Counted says that another column holds the number of cases: it is then printed only for cells that miss some.
	Counted bool
}

// Shortest asks for as many decimals as a number needs to read back equal: for settings, which are exact.
const Shortest = -1

// Kind is the type of a column.
type Kind string

const (
	Words    Kind = ""         // text
	Number   Kind = "number"   // Value
	Percent  Kind = "percent"  // Value as a share of one
	Interval Kind = "interval" // Value [Low, High], and N when the cells have one
	PValue   Kind = "p"        // Value as a probability
)

// Better says which value of a column is best.
type Better int8

const (
	Unranked Better = iota
	HigherBetter
	LowerBetter
)

// Row is a row of cells, or the head of a group when Group is set.
type Row struct {
	Group string
	Cells []Cell
}

// Cell is an entry. Which fields count follows from the column's kind; a NaN is
// printed as a dash.
type Cell struct {
	Text      string
	Value     float64
	Low, High float64
	N         int // cases behind the value
	Missing   int // cases without a value, printed when there are any
}

// String makes a cell of words.
func String(s string) Cell {
	return Cell{Text: s, Value: math.NaN(), Low: math.NaN(), High: math.NaN()}
}

// Num makes a cell of a number, a percentage or a p-value.
func Num(v float64) Cell { return Cell{Value: v, Low: math.NaN(), High: math.NaN()} }

// Estimate makes a cell of a value with its interval over n cases.
func Estimate(v, low, high float64, n int) Cell { return Cell{Value: v, Low: low, High: high, N: n} }

// missingText stands for a value that is not there.
const missingText = "–"

func formatNumber(v float64, digits int) string {
	switch {
	case math.IsNaN(v):
		return missingText
	case math.IsInf(v, 1):
		return "∞"
	case math.IsInf(v, -1):
		return "−∞"
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	return strings.Replace(s, "-", "−", 1)
}

func formatP(p float64) string {
	switch {
	case math.IsNaN(p):
		return missingText
	case p < 0.001:
		return "<0.001"
	case p < 0.1:
		return strconv.FormatFloat(p, 'f', 3, 64)
	}
	return strconv.FormatFloat(p, 'f', 2, 64)
}

// main is the part of a cell that is set in the column's alignment.
func (c Column) main(cell Cell) string {
	switch c.Kind {
	case Number, Interval:
		return formatNumber(cell.Value, c.Digits)
	case Percent:
		if math.IsNaN(cell.Value) {
			return missingText
		}
		return formatNumber(cell.Value*100, c.Digits) + " %"
	case PValue:
		return formatP(cell.Value)
	}
	if cell.Text == "" {
		return missingText
	}
	return cell.Text
}

// Plain is a cell as text.
func (c Column) Plain(cell Cell) string { return c.main(cell) }

// aside is what follows in lighter type: interval, number of cases.
func (c Column) aside(cell Cell) string {
	if c.Kind == Words {
		return ""
	}
	var parts []string
	if c.Kind == Interval && !math.IsNaN(cell.Low) && !math.IsNaN(cell.High) {
		parts = append(parts, "["+formatNumber(cell.Low, c.Digits)+", "+formatNumber(cell.High, c.Digits)+"]")
	}
	if cell.N > 0 && (!c.Counted || cell.Missing > 0) {
		parts = append(parts, "n = "+strconv.Itoa(cell.N))
	}
	if cell.Missing > 0 {
		parts = append(parts, strconv.Itoa(cell.Missing)+" missing")
	}
	return strings.Join(parts, "\u2002")
}

// sortKey orders the cells of a column in the browser; "" sorts last.
func (c Column) sortKey(cell Cell) string {
	if c.Kind == Words {
		return cell.Text
	}
	if math.IsNaN(cell.Value) {
		return ""
	}
	return strconv.FormatFloat(cell.Value, 'g', -1, 64)
}

// best reports, for every row and column, whether the cell is the best of its
// column within the table's scope. Ties as printed are all best; a column whose
// values are all the same has none.
func (t *Table) best() [][]bool {
	out := make([][]bool, len(t.Rows))
	for i, r := range t.Rows {
		out[i] = make([]bool, len(r.Cells))
	}
	for from := 0; from < len(t.Rows); {
		to := from + 1
		for to < len(t.Rows) && !(t.BestWithin == EachGroup && t.Rows[to].Group != "") {
			to++
		}
		for j, c := range t.Columns {
			t.bestOf(out, c, j, from, to)
		}
		from = to
	}
	return out
}

func (t *Table) bestOf(out [][]bool, c Column, j, from, to int) {
	if c.Better == Unranked || c.Kind == Words {
		return
	}
	leader, distinct, first := math.NaN(), false, ""
	each := func(f func(i int, cell Cell)) {
		for i := from; i < to; i++ {
			if r := t.Rows[i]; r.Group == "" && j < len(r.Cells) && !math.IsNaN(r.Cells[j].Value) {
				f(i, r.Cells[j])
			}
		}
	}
	each(func(_ int, cell Cell) {
		if first == "" {
			first = c.main(cell)
		}
		distinct = distinct || c.main(cell) != first
		better := cell.Value > leader
		if c.Better == LowerBetter {
			better = cell.Value < leader
		}
		if better || math.IsNaN(leader) {
			leader = cell.Value
		}
	})
	if !distinct {
		return
	}
	each(func(i int, cell Cell) { out[i][j] = c.main(cell) == c.main(Cell{Value: leader}) })
}
