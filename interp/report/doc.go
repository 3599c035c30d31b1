// Package report writes the results of an experiment as one HTML file that can
// be mailed, archived, printed and read offline, and its tables as CSV and JSON
// beside it.
//
// It is given a [Doc]: findings, tables, charts, picture galleries, notes, and
// where everything came from. It knows nothing about experiments; whoever fills
// the document decides what is said and in which order. It promises a valid
// HTML5 file without any reference to the network, in which every string is
// escaped, a content security policy forbids whatever is not part of the file,
// and the only script, which sorts tables, can be switched off without loss.
//
// The page is set like the supplement of a journal: numbered tables and figures
// with captions, figures in the text face's colour on light, dark and paper,
// numbers aligned on their decimal places, the best value of a column in bold,
// an interval always with its number of cases.
//
// Equal documents give equal bytes. Files appear whole or not at all.
package report

import "time"

// Doc is a report.
type Doc struct {
	Title, Subtitle string
	Summary         []Finding
	Blocks          []Block
	Provenance      [][2]string // what was run on what: name, value
	Script          string      // source text of the experiment, printed at the end
	Language        string      // of the text, as "en"; "en" when empty
	Date            time.Time   // printed when it is not zero
}

// Status says whether a finding is what was hoped for.
type Status string

const (
	Good    Status = "good"
	Bad     Status = "bad"
	Neutral Status = "neutral"
)

// Finding is one plain sentence of the summary.
type Finding struct {
	Text   string
	Status Status // "" is Neutral
}

// Block is a part of the body: Heading, Text, Note, *Table, Figure, Gallery or
// Files.
type Block interface{ kind() string }

// Heading begins a section; Level is 1 or 2.
type Heading struct {
	Text  string
	Level int
}

// Text is a paragraph; an empty line in it begins another.
type Text struct{ Text string }

// Severity ranks notes.
type Severity string

const (
	Hint    Severity = "note"
	Warning Severity = "warning"
	Failure Severity = "error"
)

// Note is a remark set apart from the text, such as cases left out.
type Note struct {
	Severity Severity // "" is Hint
	Text     string
}

// Figure is a chart drawn by package plot.
type Figure struct {
	Title   string // in bold before the caption
	Caption string
	SVG     string // one svg element without scripts, styles or references
}

// Gallery is a grid of pictures, such as predictions over image slices.
type Gallery struct {
	Title, Caption string
	Legend         []LegendEntry
	Tiles          []Tile
	TileWidth      int // in CSS pixels; 180 when zero
}

// LegendEntry explains a colour of the pictures.
type LegendEntry struct {
	Colour string // "#rrggbb"
	Label  string
}

// Tile is one picture of a gallery.
type Tile struct {
	PNG     []byte
	Title   string // first line of the caption, such as the case
	Caption string // second line, such as its scores
	Status  Status // "" is Neutral
}

// Files lists the files that lie beside the report.
type Files struct {
	Title string
	Items []File
}

// File is a link to a file; Href is its path relative to the report.
type File struct{ Name, Href, Note string }

func (Heading) kind() string { return "heading" }
func (Text) kind() string    { return "text" }
func (Note) kind() string    { return "note" }
func (*Table) kind() string  { return "table" }
func (Figure) kind() string  { return "figure" }
func (Gallery) kind() string { return "gallery" }
func (Files) kind() string   { return "files" }
