package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// svgElements are the elements a figure may consist of: shapes and text, nothing
// that runs, refers elsewhere or restyles the page.
var svgElements = []string{
	"svg", "g", "title", "desc", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan",
}

// cleanSVG parses a drawing and writes it anew, so that what the page holds is
// only what was understood.
func cleanSVG(s string) (string, error) {
	d := xml.NewDecoder(strings.NewReader(s))
	d.Strict = true
	var b strings.Builder
	depth, roots := 0, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("figure is no SVG: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if !slices.Contains(svgElements, t.Name.Local) {
				return "", fmt.Errorf("figure contains the element %q, expected shapes and text only", t.Name.Local)
			}
			if depth == 0 {
				if roots++; roots > 1 || t.Name.Local != "svg" {
					return "", fmt.Errorf("figure begins with %q, expected one svg element", t.Name.Local)
				}
			}
			depth++
			b.WriteString("<" + t.Name.Local)
			for _, a := range t.Attr {
				if err := svgAttribute(&b, a); err != nil {
					return "", err
				}
			}
			b.WriteString(">")
		case xml.EndElement:
			depth--
			b.WriteString("</" + t.Name.Local + ">")
		case xml.CharData:
			if depth == 0 && strings.TrimSpace(string(t)) != "" {
				return "", errors.New("figure has text outside its svg element")
			}
			if depth > 0 {
				b.WriteString(html.EscapeString(string(t)))
			}
		case xml.Comment, xml.ProcInst, xml.Directive:
			return "", errors.New("figure contains a comment, instruction or directive, expected elements only")
		}
	}
	if roots != 1 {
		return "", errors.New("figure is empty, expected one svg element")
	}
	return b.String() + "\n", nil
}

func svgAttribute(b *strings.Builder, a xml.Attr) error {
	name := a.Name.Local
	switch lower := strings.ToLower(name); {
	case name == "xmlns":
		return nil // HTML knows the namespace of svg
	case a.Name.Space != "":
		return fmt.Errorf("figure has the attribute %s of a foreign namespace, expected plain attributes", name)
	case strings.HasPrefix(lower, "on"), lower == "style", lower == "href", lower == "class", lower == "id",
		strings.Contains(strings.ToLower(a.Value), "url("):
		return fmt.Errorf("figure has the attribute %s=%q, expected presentation attributes without references", name, a.Value)
	}
	fmt.Fprintf(b, ` %s="%s"`, name, html.EscapeString(a.Value))
	return nil
}
