package data

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/mseg-lang/mseg/ops/image"
)

// standInModality says how the cases of the catalogue are imaged, so that a stand-in has intensities of the same kind.
func standInModality(name string) string {
	if strings.HasPrefix(name, "lung") {
		return "CT"
	}
	return "MRI"
}

// WriteStandIns writes phantoms under the file names of a catalogue entry into dir, for machines that can reach none of its
// sources: every lesion has the label value 1, organs have none. Results on them say nothing about patients.
func WriteStandIns(ctx context.Context, e Entry, dir string) error {
	n := 0
	for _, f := range e.Files {
		name, isImage := strings.CutSuffix(f.Name, "_image.nrrd")
		if !isImage {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := MakePhantom(PhantomSpec{Modality: standInModality(name), Size: [3]int{192, 192, 12}, Spacing: [3]float64{1.5, 1.5, 5}, Lesions: 2, Seed: 1}, n)
		if err != nil {
			return err
		}
		n++
		labels, err := p.Label.Labels()
		if err != nil {
			return err
		}
		lesions := make([]uint8, len(labels))
		for i, l := range labels {
			if l == 3 {
				lesions[i] = 1
			}
		}
		mask := image.FromSlice(p.Label.Shape, lesions).WithAffine(p.Label.Affine)
		if err := image.Write(filepath.Join(dir, name+"_image.nrrd"), p.Image); err != nil {
			return err
		}
		if err := image.Write(filepath.Join(dir, name+"_label.nrrd"), mask); err != nil {
			return err
		}
	}
	if n == 0 {
		return fmt.Errorf("data set %s has no volumes that phantoms could stand in for", e.Name)
	}
	return nil
}
