package data

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Case is one image with its mask, before preparation: a volume with a label map, or a single slice.
type Case struct {
	Dataset  string `json:"dataset,omitempty"`
	Site     string `json:"site,omitempty"`
	Patient  string `json:"patient"` // unique within Dataset; the unit that may never cross a split
	ID       string `json:"case"`
	Modality string `json:"modality,omitempty"`
	Sequence string `json:"sequence,omitempty"` // of MRI, such as T2 or ADC
	// Part is the place a published folder contract gives the case: train, ID, finetune, finetune/005_percent, inference.
	Part string `json:"part,omitempty"`
	// Shift is cross_site or cross_task for out-of-distribution cases.
	Shift string `json:"shift,omitempty"`

	ImagePath string `json:"image"`
	MaskPath  string `json:"mask,omitempty"` // "" where there is nothing to compare with
	// Labels maps a label value of the mask to its task, such as 1 → CT_Liver. A value whose task is "" is known and ignored.
	Labels map[int]string `json:"labels,omitempty"`
	// Slice is the number of a slice that was stored on its own, -1 for a volume or a plain image.
	Slice int `json:"slice"`
}

// Owner is the patient with the data set it belongs to; two owners that differ are two people.
func (c Case) Owner() string { return c.Dataset + "/" + c.Patient }

// Key tells the case from every other one.
func (c Case) Key() string {
	return strings.Join([]string{c.Owner(), c.ID, c.Sequence, c.Part, c.Shift, strconv.Itoa(c.Slice), strings.Join(c.Tasks(), "+")}, "/")
}

// Tasks lists the tasks of the label table in the order of the label values, each once, without ignored values.
func (c Case) Tasks() []string {
	var out []string
	for _, v := range c.labelValues() {
		if t := c.Labels[v]; t != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

func (c Case) labelValues() []int {
	out := make([]int, 0, len(c.Labels))
	for v := range c.Labels {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// modalities gives every spelling that MedSegDB uses for its ten modalities; the position is the row of the modality's
// embedding in the published model.
var modalities = []struct {
	name    string
	aliases []string
}{
	{"CBCT", nil},
	{"Colonos", []string{"Colon", "Colonoscopy"}},
	{"CT", nil},
	{"CTA", nil},
	{"Dermos", []string{"Dermoscopy"}},
	{"Endos", []string{"Endoscope"}},
	{"Fundus", []string{"Funduscopy"}},
	{"MRI", nil},
	{"US", nil},
	{"Xray", []string{"xray"}},
}

// Task is a task string of MedSegDB taken apart.
type Task struct {
	Modality   string // canonical name, such as Dermos for Dermoscopy
	ModalityID int    // 0 to 9
	Name       string // the name in the task list, such as ThoracicSpine for ThoracicSpine7
}

// ParseTask splits a task string such as MRI_ThoracicSpine7: the modality or one of its aliases up to the first
// underscore, then the structure, from which underscores and trailing digits (levels of the spine) are dropped. The names
// are compared with their case, as the published code does.
func ParseTask(s string) (Task, error) {
	prefix, rest, ok := strings.Cut(s, "_")
	if !ok || rest == "" {
		return Task{}, fmt.Errorf("task %q is not of the form Modality_Structure, such as CT_Liver", s)
	}
	for id, m := range modalities {
		if prefix == m.name || slices.Contains(m.aliases, prefix) {
			name := strings.TrimRight(strings.ReplaceAll(rest, "_", ""), "0123456789")
			if name == "" {
				return Task{}, fmt.Errorf("task %q names no structure", s)
			}
			return Task{Modality: m.name, ModalityID: id, Name: name}, nil
		}
	}
	var names []string
	for _, m := range modalities {
		names = append(names, m.name)
	}
	return Task{}, fmt.Errorf("task %q begins with no known modality; known are %s", s, strings.Join(names, ", "))
}
