package lint

import (
	"path"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

func init() {
	register(Rule{Name: "no-spacing", Severity: diag.Warning, Confidence: Certain, Title: "a distance in millimetres is measured on images without spacing",
		Doc: "PNG and npy files do not say how large a pixel is, so a pixel counts as one millimetre and the number is in pixels whatever its name. Measure in px, or keep the images in a format with spacing (NIfTI, NRRD, MetaImage).",
		run: func(x *pass) {
			x.each(func(n *ir.Node) {
				src := x.withoutSpacing(n.Node("data"))
				if src == nil {
					return
				}
				for _, v := range n.Items("metrics") {
					m, ok := v.(*ir.Node)
					if !ok || !inMillimetres(m) {
						continue
					}
					at := n.ArgSpan("metrics")
					d := x.report(at, "measure in px, or use images with spacing", "%s is in mm, but the images have no spacing", m.Op)
					d.Related = append(d.Related, diag.Related{Span: src.Span, Message: "the images"})
					return
				}
			}, "evaluate")
		}})
}

func inMillimetres(m *ir.Node) bool {
	if m.Text("unit") == "mm" {
		return true
	}
	return slices.ContainsFunc(m.Args, func(a ir.Arg) bool {
		q, ok := a.Value.(ir.Number)
		return ok && (q.Unit == "mm" || q.Unit == "cm")
	})
}

// withoutSpacing is a source of the data whose files cannot say how large a pixel is.
func (x *pass) withoutSpacing(n *ir.Node) *ir.Node {
	for _, o := range x.origins(n) {
		src := o.source()
		if src == nil {
			continue
		}
		ext := strings.ToLower(path.Ext(src.Text("images")))
		if src.Op == "medsegdb" || src.Op == "volumes" && (ext == ".png" || ext == ".npy") {
			return src
		}
	}
	return nil
}
