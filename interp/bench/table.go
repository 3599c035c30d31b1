package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteTable lays measured cases out: those of the processor with the peers' lines for each, and a table for every GPU.
func WriteTable(w io.Writer, ours, peers []Line) error {
	var b strings.Builder
	var host []Line
	var devices []string
	for _, l := range ours {
		switch {
		case l.Device == "":
			host = append(host, l)
		case !slices.Contains(devices, l.Device):
			devices = append(devices, l.Device)
		}
	}
	if len(host) > 0 || len(devices) == 0 {
		if err := hostTable(&b, host, peers); err != nil {
			return err
		}
	}
	for _, d := range devices {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		of := slices.DeleteFunc(slices.Clone(ours), func(l Line) bool { return l.Device != d })
		if err := deviceTable(&b, of, peers); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// hostTable is a Markdown table of ours and the peers' lines. The ratio is that of our time to theirs: below 1 this program is faster.
//
// Times are estimates for a quiet machine (Line.Estimate). The wall time stands beside them where the machine was quiet, and in brackets with
// the cores that others used where it was not.
func hostTable(b *strings.Builder, ours, peers []Line) error {
	b.WriteString("| what | program | s | wall, s | CPU, s | peak MB | ours / theirs |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	row := func(what string, l Line, ratio string) {
		wall, quiet := l.Wall()
		text := number(wall)
		if !quiet {
			text = "(" + text + ")"
			if l.Others >= 0 {
				text = fmt.Sprintf("(%s beside %.1f)", number(wall), l.Others)
			}
		}
		name := l.Name
		for _, o := range l.Options {
			name += " " + o
		}
		if l.Numbers() != "f32" {
			name += " " + l.Numbers()
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %d | %s |\n", what, name, number(l.Estimate()), text, number(l.CPU), l.PeakMB, ratio)
	}
	for _, l := range ours {
		c, err := Find(strings.TrimPrefix(l.Name, "mseg/"))
		if err != nil {
			return err
		}
		text := c.Doc
		if l.Batch > 1 {
			text += fmt.Sprintf(", B=%d", l.Batch)
		}
		if l.Rate > 0 {
			text += fmt.Sprintf("; computing %.0f %% of the time", 100*l.Busy)
		}
		row(text, l, "")
		for _, p := range c.Rivals(l, peers) {
			row("", p, fmt.Sprintf("%.2f", l.Estimate()/p.Estimate()))
		}
	}
	return nil
}

// deviceTable is a Markdown table of what one GPU did, with what the peers did on it. The ratio is that of our time to theirs, as in the other table;
// the last column is the speed beside that of the same case and batch in full float32.
func deviceTable(b *strings.Builder, ours, peers []Line) error {
	first := ours[0]
	fmt.Fprintf(b, "%s; %s, PJRT %s", first.Device, first.Versions["plugin"], first.Versions["pjrt"])
	if sum := first.Versions["plugin_sha256"]; len(sum) >= 12 {
		fmt.Fprintf(b, ", sha256 %s…", sum[:12])
	}
	fmt.Fprintf(b, "; %s. Times are wall times, results waited for.\n\n", first.Versions["go"])
	b.WriteString("| what | batch | precision | program | ms an image | images/s | ours / theirs | busy | GPU busy | GPU MB | host MB | first call, s | beside f32 |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	row := func(text string, l Line, of []Line, ratio string) {
		setting := fmt.Sprintf("%d | %s", l.Batch, l.Numbers())
		if ratio != "" {
			setting = " | "
		}
		rate := ""
		if l.Unit == "image" {
			rate = number(l.PerSecond())
		}
		times := ""
		if i := slices.IndexFunc(of, func(o Line) bool {
			return o.Name == l.Name && o.Batch == l.Batch && o.Numbers() == "f32" && slices.Equal(o.Options, l.Options)
		}); i >= 0 && l.Numbers() != "f32" {
			times = fmt.Sprintf("%.2f", l.PerSecond()/of[i].PerSecond())
		}
		mb := ""
		if l.GPU.Samples > 0 {
			mb = fmt.Sprint(l.GPU.MB)
		}
		gpu := ""
		if l.GPU.Samples > 0 && l.GPU.Busy >= 0 {
			gpu = percent(l.GPU.Busy)
		}
		busy := ""
		if l.Busy > 0 {
			busy = percent(l.Busy)
		}
		name := "mseg"
		if ratio != "" {
			name = strings.Join(append([]string{l.Name}, l.Options...), " ")
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %d | %s | %s |\n",
			text, setting, name, number(1000/l.PerSecond()), rate, ratio, busy, gpu, mb, l.PeakMB, number(l.First), times)
	}
	last := ""
	for _, l := range ours {
		c, err := Find(strings.TrimPrefix(l.Name, "mseg/"))
		if err != nil {
			return err
		}
		text := c.Doc
		if text == last {
			text = ""
		} else {
			last = text
		}
		row(text, l, ours, "")
		for _, p := range c.Rivals(l, peers) {
			row("", p, peers, fmt.Sprintf("%.2f", p.PerSecond()/l.PerSecond()))
		}
	}
	return nil
}

func percent(part float64) string { return fmt.Sprintf("%.0f %%", 100*part) }

// number writes three digits.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.1:
		return fmt.Sprintf("%.4f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
