package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/mseg-lang/mseg/ops/graph"
)

type traceCmd struct {
	scriptFlags
	Backend string `help:"go, xla or xla:PATH. Without it: xla if its plugin is installed, else go." env:"MSEG_BACKEND" placeholder:"NAME"`
	Store   string `help:"Folder of kept results; .mseg beside the script by default." env:"MSEG_STORE" placeholder:"DIR" type:"path"`

	Model string   `arg:"" help:"Script and the name of a model in it." placeholder:"FILE:MODEL"`
	Input string   `help:"Inputs, .npz: image (S,S,3) or (B,S,S,3) with values 0..255; box (4) or (B,4) in pixels x0,y0,x1,y1; optionally points (N,2) with labels (N), mask of logits, four cells a side for each token, and modality (B) with organ (B,4), rows of the embedding tables." placeholder:"FILE"`
	Out   string   `help:"File to write, .npz: one array for each name." placeholder:"FILE"`
	Task  []string `help:"Task of the images, as Modality_Task; one for all or one for each." placeholder:"TASK"`
	Only  string   `help:"Names to write: a pattern with * or a name, which takes what lies below it too." placeholder:"PATTERN"`
	List  bool     `help:"Print the names with the shapes for one image, and compute nothing."`
	JSON  bool     `help:"Write JSON."`
}

// activation is the JSON form of one line.
type activation struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
}

func (c traceCmd) Run(ctx context.Context, tell *teller) error {
	file, name, ok := cutLast(c.Model, ":")
	if !ok || file == "" || name == "" {
		return fmt.Errorf("found %q, expected a script and the name of a model in it: first.mseg:tuned", c.Model)
	}
	if c.List == (c.Input != "" || c.Out != "") {
		return fmt.Errorf("give --input FILE and --out FILE to compute activations, or --list alone to see their names")
	}
	if !c.List && (c.Input == "" || c.Out == "") {
		return fmt.Errorf("--input and --out go together: .npz files to read and to write")
	}
	l, e, err := engineFlags{Backend: c.Backend, Store: c.Store}.open(tell, file, c.options())
	if err != nil {
		return err
	}
	defer e.Close()
	e.Use(l.Program, l.File.Text)
	t, err := e.Trace(ctx, l.Program, name)
	if err != nil {
		return failure(tell, err)
	}
	var all []graph.Activation
	if c.List {
		all, err = t.List()
	} else {
		all, err = t.Run(ctx, c.Input, c.Out, c.Only, c.Task)
	}
	if err != nil {
		return failure(tell, err)
	}
	if c.JSON {
		out := []activation{}
		for _, a := range all {
			out = append(out, activation{a.Name, append([]int{}, a.Dims...)})
		}
		return writeJSON(out)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, a := range all {
		fmt.Fprintf(w, "%s\t%s\n", a.Name, shapeText(a.Dims))
	}
	return w.Flush()
}

// cutLast cuts at the last separator, as a path may hold one as well.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
