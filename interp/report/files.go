package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"

	"github.com/google/renameio/v2"
)

// WriteFile renders the document to a file.
func WriteFile(path string, d Doc) error {
	var b bytes.Buffer
	if err := Render(&b, d); err != nil {
		return err
	}
	return writeWhole(path, b.Bytes())
}

// writeWhole makes the content appear at path at once.
func writeWhole(path string, content []byte) error {
	if err := renameio.WriteFile(path, content, 0o644, renameio.WithStaticPermissions(os.FileMode(0o644))); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// WriteCSV writes a table as comma-separated values (RFC 4180, UTF-8) in full
// precision, a missing value as an empty field. The first column is "group" when
// the table has groups. An interval column becomes four: the value, _low, _high
// and _n.
func WriteCSV(path string, t *Table) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	grouped := t.grouped()
	var head []string
	if grouped {
		head = append(head, "group")
	}
	for _, c := range t.Columns {
		name := c.Name
		if c.Unit != "" {
			name += " (" + c.Unit + ")"
		}
		head = append(head, name)
		if c.Kind == Interval {
			head = append(head, name+"_low", name+"_high", name+"_n")
		}
	}
	records := [][]string{head}
	group := ""
	for _, r := range t.Rows {
		if r.Group != "" {
			group = r.Group
			continue
		}
		var record []string
		if grouped {
			record = append(record, group)
		}
		for j, c := range t.Columns {
			cell := r.cell(j)
			switch c.Kind {
			case Words:
				record = append(record, cell.Text)
			case Interval:
				record = append(record, exact(cell.Value), exact(cell.Low), exact(cell.High), strconv.Itoa(cell.N))
			default:
				record = append(record, exact(cell.Value))
			}
		}
		records = append(records, record)
	}
	if err := w.WriteAll(records); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return writeWhole(path, b.Bytes())
}

func (t *Table) grouped() bool {
	for _, r := range t.Rows {
		if r.Group != "" {
			return true
		}
	}
	return false
}

// cell is the j-th cell, one without a value past the end.
func (r Row) cell(j int) Cell {
	if j < len(r.Cells) {
		return r.Cells[j]
	}
	return String("")
}

// exact writes a number so that it reads back equal, NaN as nothing.
func exact(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// jsonNumber is null for NaN and a string for infinities, which JSON lacks.
type jsonNumber float64

func (n jsonNumber) MarshalJSON() ([]byte, error) {
	v := float64(n)
	switch {
	case math.IsNaN(v):
		return []byte("null"), nil
	case math.IsInf(v, 0):
		return json.Marshal(strconv.FormatFloat(v, 'g', -1, 64))
	}
	return json.Marshal(v)
}

type jsonColumn struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Unit   string `json:"unit,omitempty"`
	Doc    string `json:"doc,omitempty"`
	Better string `json:"better,omitempty"`
}

type jsonCell struct {
	Value   jsonNumber  `json:"value"`
	Low     *jsonNumber `json:"low,omitempty"`
	High    *jsonNumber `json:"high,omitempty"`
	N       int         `json:"n,omitempty"`
	Missing int         `json:"missing,omitempty"`
}

// WriteJSON writes a table as an object of title, caption, columns with their
// definitions, and rows. A row has its group and one entry a column: a string, a
// number or null, or for intervals an object of value, low, high and n.
func WriteJSON(path string, t *Table) error {
	type row struct {
		Group string `json:"group,omitempty"`
		Cells []any  `json:"cells"`
	}
	file := struct {
		Title   string       `json:"title"`
		Caption string       `json:"caption,omitempty"`
		Columns []jsonColumn `json:"columns"`
		Rows    []row        `json:"rows"`
	}{Title: t.Title, Caption: t.Caption, Columns: []jsonColumn{}, Rows: []row{}}
	for _, c := range t.Columns {
		kind := string(c.Kind)
		if c.Kind == Words {
			kind = "text"
		}
		better := map[Better]string{HigherBetter: "higher", LowerBetter: "lower"}[c.Better]
		file.Columns = append(file.Columns, jsonColumn{c.Name, kind, c.Unit, c.Doc, better})
	}
	group := ""
	for _, r := range t.Rows {
		if r.Group != "" {
			group = r.Group
			continue
		}
		out := row{Group: group, Cells: []any{}}
		for j, c := range t.Columns {
			cell := r.cell(j)
			switch c.Kind {
			case Words:
				out.Cells = append(out.Cells, cell.Text)
			case Interval:
				low, high := jsonNumber(cell.Low), jsonNumber(cell.High)
				out.Cells = append(out.Cells, jsonCell{jsonNumber(cell.Value), &low, &high, cell.N, cell.Missing})
			default:
				out.Cells = append(out.Cells, jsonNumber(cell.Value))
			}
		}
		file.Rows = append(file.Rows, out)
	}
	b, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return writeWhole(path, append(b, '\n'))
}
