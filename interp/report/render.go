package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"image/png"
	"io"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

//go:embed sort.js
var sortText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"paragraphs": paragraphs}).Parse(pageText))

// policy forbids the page everything but its own style, its own pictures and
// the one script with this hash.
var policy = func() string {
	hash := sha256.Sum256([]byte(sortText))
	return "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" +
		base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'none'"
}()

// ErrDocument is wrapped by the errors about documents that cannot be rendered.
var ErrDocument = errors.New("report cannot be rendered")

// The view of a document that the template prints.
type (
	pageView struct {
		Title, Subtitle, Language, Date, DateText string
		Policy                                    string
		Style                                     template.CSS
		Sort                                      template.JS
		Summary                                   []findingView
		Contents                                  []headingView
		Blocks                                    []blockView
		Provenance                                [][2]string
		Script                                    [][]token
		Sortable                                  bool
	}
	findingView struct {
		Text, Sign, Word string
		Status           Status
	}
	headingView struct {
		ID, Text string
		Level    int
	}
	blockView struct {
		Heading *headingView
		Text    string
		Note    *noteView
		Table   *tableView
		Figure  *figureView
		Gallery *galleryView
		Files   *filesView
	}
	noteView struct {
		Severity   Severity
		Word, Text string
	}
	captionView struct{ ID, Label, Title, Caption string }
	tableView   struct {
		captionView
		Heads       []headView
		Groups      []groupView
		Definitions []Column
	}
	headView struct {
		Class, Name, Unit, Doc, Type string
		Span, At                     int
	}
	groupView struct {
		Name string
		Span int
		Rows [][]cellView
	}
	cellView struct {
		Class, Text, Key   string
		Head, Best, HasKey bool
	}
	figureView struct {
		captionView
		SVG template.HTML
	}
	galleryView struct {
		captionView
		Width  int
		Tiles  []tileView
		Legend []LegendEntry
	}
	tileView struct {
		Source              template.URL
		Width, Height       int
		Alt, Title, Caption string
		Status              Status
	}
	filesView struct {
		Title string
		Items []File
	}
)

// Render writes the document as one HTML file. It fails, before writing
// anything, on a figure that is no plain drawing, a tile that is no PNG, a link
// that leaves the report's folder, a malformed table, and on names used twice.
func Render(w io.Writer, d Doc) error {
	v, err := view(d)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	_, err = w.Write(bytes.ToValidUTF8(b.Bytes(), []byte("\ufffd")))
	return err
}

func view(d Doc) (*pageView, error) {
	v := &pageView{
		Title: d.Title, Subtitle: d.Subtitle, Language: d.Language,
		Policy: policy, Style: template.CSS(styleText), Sort: template.JS(sortText),
		Provenance: d.Provenance, Script: highlight(d.Script),
	}
	if v.Language == "" {
		v.Language = "en"
	}
	if v.Title == "" {
		v.Title = "Report"
	}
	if !d.Date.IsZero() {
		v.Date, v.DateText = d.Date.Format("2006-01-02"), d.Date.Format("2 January 2006")
	}
	for _, f := range d.Summary {
		v.Summary = append(v.Summary, viewFinding(f))
	}
	n := &numbering{used: map[string]bool{"summary": true, "provenance": true, "script": true}}
	for i, b := range d.Blocks {
		bv, err := n.block(b)
		if err != nil {
			return nil, fmt.Errorf("block %d: %w", i+1, err)
		}
		if h := bv.Heading; h != nil && h.Level == 1 {
			v.Contents = append(v.Contents, *h)
		}
		v.Sortable = v.Sortable || bv.Table != nil
		v.Blocks = append(v.Blocks, bv)
	}
	if len(v.Contents) < 3 {
		v.Contents = nil
	}
	return v, nil
}

func viewFinding(f Finding) findingView {
	switch f.Status {
	case Good:
		return findingView{f.Text, "✓", "good", Good}
	case Bad:
		return findingView{f.Text, "!", "bad", Bad}
	}
	return findingView{f.Text, "·", "note", Neutral}
}

// numbering counts tables and figures and keeps anchors unique.
type numbering struct {
	tables, figures int
	used            map[string]bool
}

var identifier = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

func (n *numbering) block(b Block) (v blockView, err error) {
	switch b := b.(type) {
	case Heading:
		v.Heading = &headingView{n.anchor(b.Text), b.Text, b.Level}
	case Text:
		v.Text = b.Text
	case Note:
		word := map[Severity]string{Warning: "Warning", Failure: "Error"}[b.Severity]
		if word == "" {
			b.Severity, word = Hint, "Note"
		}
		v.Note = &noteView{b.Severity, word, b.Text}
	case *Table:
		n.tables++
		v.Table, err = n.table(b)
	case Figure:
		n.figures++
		var svg string
		if svg, err = cleanSVG(b.SVG); err == nil {
			v.Figure = &figureView{n.figure(b.Title, b.Caption), template.HTML(svg)}
		}
	case Gallery:
		n.figures++
		v.Gallery, err = n.gallery(b)
	case Files:
		v.Files = &filesView{Title: b.Title}
		for _, f := range b.Items {
			href, err := relative(f.Href)
			if err != nil {
				return v, err
			}
			f.Href = href
			v.Files.Items = append(v.Files.Items, f)
		}
	default:
		err = fmt.Errorf("unknown kind of block %T", b)
	}
	return v, err
}

// anchor makes an unused identifier from a heading.
func (n *numbering) anchor(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	base := "s-" + strings.Trim(b.String(), "-")
	id := base
	for k := 2; n.used[id]; k++ {
		id = base + "-" + strconv.Itoa(k)
	}
	n.used[id] = true
	return id
}

func (n *numbering) figure(title, caption string) captionView {
	label := strconv.Itoa(n.figures)
	return captionView{"figure-" + label, "Figure " + label, title, caption}
}

func (n *numbering) table(t *Table) (*tableView, error) {
	label := strconv.Itoa(n.tables)
	v := &tableView{captionView: captionView{"table-" + label, "Table " + label, t.Title, t.Caption}}
	if t.ID != "" {
		if !identifier.MatchString(t.ID) {
			return nil, fmt.Errorf("table id %q, expected a letter followed by letters, digits, - and _", t.ID)
		}
		v.ID = t.ID
	}
	if n.used[v.ID] {
		return nil, fmt.Errorf("table id %q is used twice", v.ID)
	}
	n.used[v.ID] = true
	aside := make([]bool, len(t.Columns))
	for i, r := range t.Rows {
		if r.Group != "" {
			continue
		}
		if len(r.Cells) != len(t.Columns) {
			return nil, fmt.Errorf("row %d of table %q has %d cells, expected %d as it has columns", i+1, t.Title, len(r.Cells), len(t.Columns))
		}
		for j, c := range t.Columns {
			aside[j] = aside[j] || c.aside(r.Cells[j]) != ""
		}
	}
	cells := 0
	for j, c := range t.Columns {
		h := headView{Class: c.class(), Name: c.Name, Unit: c.Unit, Doc: c.Doc, Type: "words", Span: 1, At: cells}
		if c.Kind != Words {
			h.Type = "number"
		}
		if aside[j] {
			h.Span, h.Class = 2, "i"
		}
		cells += h.Span
		v.Heads = append(v.Heads, h)
		if c.Doc != "" {
			v.Definitions = append(v.Definitions, c)
		}
	}
	best := t.best()
	for i, r := range t.Rows {
		if r.Group != "" || len(v.Groups) == 0 {
			v.Groups = append(v.Groups, groupView{Name: r.Group, Span: cells})
		}
		if r.Group != "" {
			continue
		}
		var row []cellView
		for j, c := range t.Columns {
			cell := r.Cells[j]
			row = append(row, cellView{Class: c.class(), Text: c.main(cell), Key: c.sortKey(cell), HasKey: true,
				Head: j == 0 && c.Kind == Words, Best: best[i][j]})
			if aside[j] {
				row = append(row, cellView{Class: "a", Text: c.aside(cell)})
			}
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Rows = append(g.Rows, row)
	}
	return v, nil
}

func (c Column) class() string {
	if c.Kind == Words {
		return "w"
	}
	return "n"
}

var hexColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func (n *numbering) gallery(g Gallery) (*galleryView, error) {
	v := &galleryView{captionView: n.figure(g.Title, g.Caption), Width: g.TileWidth, Legend: g.Legend}
	if v.Width <= 0 {
		v.Width = 180
	}
	for _, l := range g.Legend {
		if !hexColour.MatchString(l.Colour) {
			return nil, fmt.Errorf("legend colour %q, expected #rrggbb", l.Colour)
		}
	}
	for i, t := range g.Tiles {
		size, err := png.DecodeConfig(bytes.NewReader(t.PNG))
		if err != nil {
			return nil, fmt.Errorf("tile %d of gallery %q is no PNG: %w", i+1, g.Title, err)
		}
		alt := strings.TrimSpace(t.Title + " " + t.Caption)
		if alt == "" {
			alt = "picture " + strconv.Itoa(i+1)
		}
		status := t.Status
		if status != Good && status != Bad {
			status = Neutral
		}
		v.Tiles = append(v.Tiles, tileView{
			Source: template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(t.PNG)),
			Width:  size.Width, Height: size.Height, Alt: alt, Title: t.Title, Caption: t.Caption, Status: status,
		})
	}
	return v, nil
}

// relative checks that a link stays beside the report, and escapes it.
func relative(href string) (string, error) {
	u, err := url.Parse(href)
	clean := path.Clean(strings.ReplaceAll(href, `\`, "/"))
	if err != nil || href == "" || u.Scheme != "" || u.Host != "" || path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("file link %q, expected a path beside the report", href)
	}
	return (&url.URL{Path: href}).EscapedPath(), nil
}

// paragraphs splits text at empty lines.
func paragraphs(s string) (out []string) {
	for p := range strings.SplitSeq(strings.ReplaceAll(s, "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}
