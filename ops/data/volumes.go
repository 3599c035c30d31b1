package data

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Layout says where the images and masks of a data set lie and what their names mean.
//
// Every text may hold placeholders in braces. In Image, {name} stands for one or more characters within one path segment
// and takes its value from the files found; the others are filled in with these values. So "radiomics/{case}_image.nrrd"
// with Mask "radiomics/{case}_label.nrrd" and Patient "{case}" gives a patient for each pair.
type Layout struct {
	Image string // pattern of the images
	Mask  string // mask of an image; "" for images without masks

	Dataset, Site, Patient, ID, Modality, Sequence string
	// Labels is the table label value → task, the same for every case.
	Labels map[int]string
}

var placeholder = regexp.MustCompile(`\{([^{}/]*)\}`)
var placeholderName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Volumes lists the cases of a layout in the order of their image paths. Relative patterns start at root. Names that begin
// with a dot are passed over.
//
// ID is by default the value of {case}, or of all placeholders joined by "_"; Patient is by default ID, Dataset the folder
// before the first placeholder. Errors: a bad pattern; no file matches; masks that are missing, all of them named.
func Volumes(root string, l Layout) ([]Case, error) {
	names, err := l.check()
	if err != nil {
		return nil, err
	}
	found, err := expand(root, l.Image)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, nothingMatches(root, l.Image)
	}
	if l.ID == "" {
		var parts []string
		for _, n := range names {
			parts = append(parts, "{"+n+"}")
		}
		l.ID = strings.Join(parts, "_")
		if slices.Contains(names, "case") {
			l.ID = "{case}"
		}
	}
	if l.Dataset == "" {
		l.Dataset = defaultDataset(root, l.Image)
	}
	var cases []Case
	var problems []error
	for _, f := range found {
		c := Case{
			Dataset: fill(l.Dataset, f.values), Site: fill(l.Site, f.values), ID: fill(l.ID, f.values),
			Modality: fill(l.Modality, f.values), Sequence: fill(l.Sequence, f.values),
			ImagePath: f.path, Labels: maps.Clone(l.Labels), Slice: -1,
		}
		if c.Patient = fill(l.Patient, f.values); l.Patient == "" {
			c.Patient = c.ID
		}
		if l.Mask != "" {
			c.MaskPath = under(root, fill(l.Mask, f.values))
			if st, err := os.Stat(c.MaskPath); err != nil || !st.Mode().IsRegular() {
				problems = append(problems, fmt.Errorf("case %s: image %s has no mask %s", c.ID, c.ImagePath, c.MaskPath))
			}
		}
		cases = append(cases, c)
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%d of %d cases lack their mask:\n%w", len(problems), len(cases), joinFirst(problems, 10))
	}
	return cases, nil
}

// check refuses patterns that cannot work, and gives the placeholders of Image in order.
func (l Layout) check() ([]string, error) {
	if l.Image == "" {
		return nil, errors.New("the image pattern is empty; an example is \"cases/{case}_image.nii.gz\"")
	}
	var names []string
	for _, m := range placeholder.FindAllStringSubmatch(l.Image, -1) {
		if !placeholderName.MatchString(m[1]) {
			return nil, fmt.Errorf("placeholder {%s} in %q is not a name", m[1], l.Image)
		}
		if !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	if rest := placeholder.ReplaceAllString(l.Image, ""); strings.ContainsAny(rest, "{}") {
		return nil, fmt.Errorf("pattern %q has a brace without its partner, or a placeholder with a slash inside", l.Image)
	}
	for _, t := range []struct{ field, text string }{
		{"mask", l.Mask}, {"dataset", l.Dataset}, {"site", l.Site}, {"patient", l.Patient}, {"id", l.ID},
		{"modality", l.Modality}, {"sequence", l.Sequence},
	} {
		for _, m := range placeholder.FindAllStringSubmatch(t.text, -1) {
			if !slices.Contains(names, m[1]) {
				return nil, fmt.Errorf("%s %q uses {%s}, which the image pattern %q does not set", t.field, t.text, m[1], l.Image)
			}
		}
	}
	if len(names) > 1 && l.Mask != "" && len(placeholder.FindAllString(l.Mask, -1)) == 0 {
		return nil, fmt.Errorf("mask %q has no placeholder: every image would get the same mask", l.Mask)
	}
	return names, nil
}

type match struct {
	path   string
	values map[string]string
}

// expand walks the pattern segment by segment, reading only folders that can match.
func expand(root, pattern string) ([]match, error) {
	start := root
	if filepath.IsAbs(pattern) {
		start = filepath.VolumeName(pattern) + string(filepath.Separator)
		pattern = strings.TrimPrefix(pattern, start)
	}
	found := []match{{start, map[string]string{}}}
	segments := strings.Split(filepath.ToSlash(filepath.Clean(pattern)), "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		var next []match
		for _, at := range found {
			if !strings.Contains(segment, "{") {
				path := filepath.Join(at.path, segment)
				if st, err := os.Stat(path); err == nil && st.IsDir() != last {
					next = append(next, match{path, at.values})
				}
				continue
			}
			entries, err := os.ReadDir(at.path)
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				values, ok := matchSegment(segment, e.Name(), at.values)
				if !ok {
					continue
				}
				path := filepath.Join(at.path, e.Name())
				if st, err := os.Stat(path); err == nil && st.IsDir() != last {
					next = append(next, match{path, values})
				}
			}
		}
		found = next
	}
	slices.SortFunc(found, func(a, b match) int { return strings.Compare(a.path, b.path) })
	return found, nil
}

// matchSegment compares one name with one segment of the pattern. A placeholder met before must have the same value.
func matchSegment(segment, name string, known map[string]string) (map[string]string, bool) {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(segment, ".") {
		return nil, false
	}
	var expr strings.Builder
	var groups []string
	rest := segment
	for _, at := range placeholder.FindAllStringSubmatchIndex(segment, -1) {
		offset := len(segment) - len(rest)
		expr.WriteString(regexp.QuoteMeta(rest[:at[0]-offset]))
		rest = segment[at[1]:]
		n := segment[at[2]:at[3]]
		if v, ok := known[n]; ok {
			expr.WriteString(regexp.QuoteMeta(v))
			continue
		}
		groups = append(groups, n)
		expr.WriteString("(.+?)")
	}
	expr.WriteString(regexp.QuoteMeta(rest))
	m := regexp.MustCompile("^(?s:" + expr.String() + ")$").FindStringSubmatch(name)
	if m == nil {
		return nil, false
	}
	values := maps.Clone(known)
	for i, n := range groups {
		if v, ok := values[n]; ok && v != m[i+1] {
			return nil, false
		}
		values[n] = m[i+1]
	}
	return values, true
}

func fill(template string, values map[string]string) string {
	return placeholder.ReplaceAllStringFunc(template, func(p string) string { return values[p[1:len(p)-1]] })
}

func under(root, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(root, path)
}

func defaultDataset(root, pattern string) string {
	fixed, _, _ := strings.Cut(filepath.ToSlash(pattern), "{")
	dir := under(root, filepath.FromSlash(fixed[:strings.LastIndex(fixed, "/")+1]))
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.Base(dir)
}

// nothingMatches explains a pattern without files: how far the path exists, and what is there instead.
func nothingMatches(root, pattern string) error {
	fixed, _, _ := strings.Cut(filepath.ToSlash(pattern), "{")
	dir := under(root, filepath.FromSlash(fixed[:strings.LastIndex(fixed, "/")+1]))
	missing := ""
	for {
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			break
		}
		if parent := filepath.Dir(dir); parent != dir {
			missing, dir = dir, parent
			continue
		}
		break
	}
	if missing != "" {
		return fmt.Errorf("no file matches %q: folder %s does not exist; the nearest that does is %s", pattern, missing, dir)
	}
	var names []string
	if entries, err := os.ReadDir(dir); err == nil {
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") {
				names = append(names, e.Name())
			}
		}
	}
	switch {
	case len(names) == 0:
		return fmt.Errorf("no file matches %q: folder %s is empty", pattern, dir)
	case len(names) > 4:
		names = append(names[:4], fmt.Sprintf("and %d more", len(names)-4))
	}
	return fmt.Errorf("no file matches %q; in %s there are %s", pattern, dir, strings.Join(names, ", "))
}

// joinFirst joins at most n errors and counts the rest.
func joinFirst(problems []error, n int) error {
	if len(problems) > n {
		problems = append(slices.Clone(problems[:n]), fmt.Errorf("and %d more", len(problems)-n))
	}
	return errors.Join(problems...)
}
