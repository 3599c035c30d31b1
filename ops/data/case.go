package data

import (
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

// ModalityNames finds the name of a modality under any of its spellings, such as Dermos for Dermoscopy. The taxonomy of the script knows them.
type ModalityNames func(spelling string) (name string, ok bool)

// of splits a task string such as MRI_ThoracicSpine7 at its first underscore: the modality, in any spelling, and the structure. It is no task when the
// modality is unknown or the structure has no letter.
func (m ModalityNames) of(task string) (modality string, ok bool) {
	prefix, rest, cut := strings.Cut(task, "_")
	if !cut || strings.Trim(rest, "_0123456789") == "" {
		return "", false
	}
	return m(prefix)
}
