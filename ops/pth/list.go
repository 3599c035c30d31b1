package pth

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

const (
	maxDepth  = 100     // of containers in each other
	maxLeaves = 1 << 20 // tensors and other values
	// What reading all tensors may take, as a multiple of the file: tensors may
	// share storages, and every type is widened to float32.
	budgetFactor = 16
	budgetBase   = 64 << 20
)

// list walks through the object and notes every tensor by its path. References
// to the same container are followed each time, so their number is bounded.
func (f *File) list(root any) error {
	f.windows, f.other = map[string]*window{}, map[string]any{}
	l := lister{file: f, storages: map[*storage]bool{}}
	if err := l.walk(root, nil); err != nil {
		return err
	}
	if limit := budgetFactor*f.size + budgetBase; l.cost > limit {
		return fmt.Errorf("reading its tensors would take %d bytes for a file of %d; they repeat the same few values or are compressed beyond reason", l.cost, f.size)
	}
	return nil
}

type lister struct {
	file     *File
	leaves   int
	cost     int64
	storages map[*storage]bool
}

func (l *lister) walk(v any, path []string) error {
	l.leaves++ // containers count as well: they may be empty, and many
	if l.leaves > maxLeaves {
		return fmt.Errorf("it holds more than %d values, or refers to the same ones again and again", maxLeaves)
	}
	if len(path) > maxDepth {
		return fmt.Errorf("its containers lie in each other more than %d deep", maxDepth)
	}
	switch v := v.(type) {
	case *dict:
		return l.walkDict(v, path)
	case *list:
		return l.walkItems(v.items, path)
	case tuple:
		return l.walkItems(v, path)
	case *window:
		return l.tensor(v, path)
	case size:
		return l.value([]int64(v), path)
	case placeholder:
		return l.value("<"+className(v)+">", path)
	case numpyType:
		return l.value(string(v), path)
	case global:
		return l.value(string(v), path)
	case *storage:
		return errors.New("it holds a storage without a tensor; save tensors")
	}
	return l.value(v, path)
}

func (l *lister) walkDict(d *dict, path []string) error {
	if len(d.keys) == 0 {
		return l.value("{}", path)
	}
	for i, key := range d.keys {
		var part string
		switch k := key.(type) {
		case string:
			part = k
		case nil, bool, int64, float64:
			part = fmt.Sprint(k)
		default:
			return fmt.Errorf("a dict at %q has a key that is %s; only text and numbers are read as keys", join(path), describe(key))
		}
		if err := l.walk(d.values[i], append(path, part)); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) walkItems(items []any, path []string) error {
	if len(items) == 0 {
		return l.value("[]", path)
	}
	for i, item := range items {
		if err := l.walk(item, append(path, strconv.Itoa(i))); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) value(v any, path []string) error {
	name := join(path)
	if _, twice := l.file.other[name]; twice {
		return fmt.Errorf("two values have the path %q", name)
	}
	l.file.other[name] = v
	return nil
}

func (l *lister) tensor(w *window, path []string) error {
	e := Entry{Path: slices.Clone(path), DType: w.dtype.name, Dims: w.shape()}
	name := e.Name()
	if _, twice := l.file.windows[name]; twice {
		return fmt.Errorf("two tensors have the path %q", name)
	}
	l.file.windows[name] = w
	l.file.entries = append(l.file.entries, e)

	cost := w.count * int64(max(w.dtype.width, 4))
	if s := w.storage; s.deflated() {
		cost = max(cost, s.size) // it is expanded for each tensor anew
	}
	l.add(cost)
	if !l.storages[w.storage] {
		l.storages[w.storage] = true
		l.add(w.storage.size)
	}
	return nil
}

// add counts bytes up to a number that no limit reaches.
func (l *lister) add(n int64) {
	const most = 1 << 62
	l.cost = min(most, l.cost+min(n, most))
}

func join(path []string) string { return Entry{Path: path}.Name() }

// className is the last part of a class's name.
func className(p placeholder) string {
	s := string(p)
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '.' {
			return s[i+1:]
		}
	}
	return s
}
