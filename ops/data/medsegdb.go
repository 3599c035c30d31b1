package data

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var sliceFile = regexp.MustCompile(`^casenum_(.+)_sliceid_(\d+)\.npy$`)
var percentFolder = regexp.MustCompile(`^\d+_percent$`)

// MedSegDB lists the slices of a folder in the published contract of MedSegDB, in the order of their paths. dir may be the
// root or any folder above npy_imgs; both published layouts of the roots (MedSegDB/{train,eval/ID,eval/OOD,…} and
// MedSegDB/{ID,OOD}) are understood, because only what lies below them counts:
//
//	<dataset>/<Modality_Task>/[<sequence>/]{npy_imgs,npy_gts}/casenum_<id>_sliceid_<k>.npy
//	<cross_site|cross_task>/<Modality_Task>/<dataset>/[<sequence>/]{finetune,inference}/[<n>_percent/]{npy_imgs,npy_gts}/…
//
// Patient is the case number, so the sequences, tasks and slices of one case stay together in a split. Files and folders
// that begin with a dot are passed over. A folder is a task when its name begins with a modality. Errors: no npy_imgs folder; a path or name outside the contract; an image
// without mask or a mask without image.
func MedSegDB(dir string, modality ModalityNames) ([]Case, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	var cases []Case
	folders, err := imageFolders(dir, 0)
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		rel, err := filepath.Rel(dir, folder)
		if err != nil {
			return nil, err
		}
		found, err := sliceFolder(folder, filepath.Join(abs, rel), modality)
		if err != nil {
			return nil, err
		}
		cases = append(cases, found...)
	}
	if len(folders) == 0 {
		return nil, fmt.Errorf("no folder npy_imgs below %s; MedSegDB has <dataset>/<Modality_Task>/npy_imgs", dir)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("%d folders npy_imgs below %s, but no slice in them", len(folders), dir)
	}
	slices.SortStableFunc(cases, func(a, b Case) int { return strings.Compare(a.ImagePath, b.ImagePath) })
	return cases, nil
}

// imageFolders finds the folders named npy_imgs, through links as well, since data sets are often linked into place. The
// published layouts are at most eight folders deep; the limit of twelve ends a walk in circles.
func imageFolders(dir string, depth int) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil || depth > 12 {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if st, err := os.Stat(path); strings.HasPrefix(e.Name(), ".") || err != nil || !st.IsDir() {
			continue
		}
		if e.Name() == "npy_imgs" {
			out = append(out, path)
			continue
		}
		below, err := imageFolders(path, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}

// sliceFolder lists one npy_imgs folder; abs is its full path, from which the fields are read.
func sliceFolder(images, abs string, modality ModalityNames) ([]Case, error) {
	template, err := folderFields(abs, modality)
	if err != nil {
		return nil, err
	}
	masks := filepath.Join(filepath.Dir(images), "npy_gts")
	maskNames, err := visibleNames(masks)
	if err != nil {
		return nil, fmt.Errorf("folder %s has no masks beside it: %w", images, err)
	}
	names, err := visibleNames(images)
	if err != nil {
		return nil, err
	}
	var cases []Case
	var problems []error
	for _, name := range names {
		m := sliceFile.FindStringSubmatch(name)
		if m == nil {
			problems = append(problems, fmt.Errorf("%s is not named casenum_<id>_sliceid_<k>.npy", filepath.Join(images, name)))
			continue
		}
		if _, ok := slices.BinarySearch(maskNames, name); !ok {
			problems = append(problems, fmt.Errorf("%s has no mask in %s", filepath.Join(images, name), masks))
		}
		c := template
		c.ID, c.Patient = m[1], m[1]
		if c.Slice, err = strconv.Atoi(m[2]); err != nil {
			problems = append(problems, fmt.Errorf("%s: slice number out of range", filepath.Join(images, name)))
		}
		c.ImagePath, c.MaskPath = filepath.Join(images, name), filepath.Join(masks, name)
		cases = append(cases, c)
	}
	for _, name := range maskNames {
		if _, ok := slices.BinarySearch(names, name); !ok {
			problems = append(problems, fmt.Errorf("%s has no image in %s", filepath.Join(masks, name), images))
		}
	}
	return cases, joinFirst(problems, 10)
}

func visibleNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries { // in the order of their names
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// folderFields reads data set, task, sequence, part and shift from the folders above npy_imgs.
func folderFields(abs string, modality ModalityNames) (c Case, err error) {
	parts := strings.Split(filepath.ToSlash(abs), "/")
	parts = parts[:len(parts)-1] // npy_imgs
	n := len(parts)
	isTask := func(i int) bool {
		if i < 0 || i >= n {
			return false
		}
		_, ok := modality.of(parts[i])
		return ok
	}
	fail := fmt.Errorf("%s is not in the layout of MedSegDB: neither <dataset>/<Modality_Task>/[<sequence>/]npy_imgs nor <cross_site|cross_task>/<Modality_Task>/<dataset>/[<sequence>/]<finetune|inference>/npy_imgs", abs)
	shift := -1
	for i, p := range parts {
		if p == "cross_site" || p == "cross_task" {
			shift = i
		}
	}
	var task string
	switch {
	case shift >= 0:
		if percentFolder.MatchString(parts[n-1]) {
			c.Part = "/" + parts[n-1]
			n--
		}
		rest := parts[shift+1 : n]
		if len(rest) < 3 || len(rest) > 4 || !isTask(shift+1) || rest[len(rest)-1] != "finetune" && rest[len(rest)-1] != "inference" {
			return c, fail
		}
		c.Shift, task, c.Dataset = parts[shift], rest[0], rest[1]
		if len(rest) == 4 {
			c.Sequence = rest[2]
		}
		c.Part = rest[len(rest)-1] + c.Part
	case isTask(n-1) && n >= 2:
		task, c.Dataset = parts[n-1], parts[n-2]
		c.Part = partOf(parts[:n-2])
	case isTask(n-2) && n >= 3:
		task, c.Dataset, c.Sequence = parts[n-2], parts[n-3], parts[n-1]
		c.Part = partOf(parts[:n-3])
	default:
		return c, fail
	}
	if c.Dataset == "" {
		return c, errors.Join(fail, errors.New("the data set has no name"))
	}
	c.Modality, _ = modality.of(task)
	c.Site, c.Labels = c.Dataset, map[int]string{1: task}
	return c, nil
}

// partOf is the root that holds the data sets, where it has one of the published names.
func partOf(parts []string) string {
	if len(parts) > 0 && (parts[len(parts)-1] == "train" || parts[len(parts)-1] == "ID") {
		return parts[len(parts)-1]
	}
	return ""
}
