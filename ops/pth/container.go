package pth

import (
	"errors"
	"fmt"
)

// tuple is a Python tuple, and the list of a call's arguments.
type tuple []any

// list is a Python list or set; it is changed after it was made.
type list struct{ items []any }

// size is a torch.Size.
type size []int64

// dict is a Python dict of any kind. A key that is no number or text (an
// optimiser keys its state by parameters) is kept, but cannot be looked up.
type dict struct {
	keys, values []any
	index        map[any]int
}

func (d *dict) set(key, value any) {
	switch key.(type) {
	case nil, bool, int64, float64, string:
		if i, ok := d.index[key]; ok {
			d.values[i] = value
			return
		}
		if d.index == nil {
			d.index = map[any]int{}
		}
		d.index[key] = len(d.keys)
	}
	d.keys, d.values = append(d.keys, key), append(d.values, value)
}

func (d *dict) setAll(pairs []any) error {
	if len(pairs)%2 != 0 {
		return errors.New("its pickle has a dict with a key that lacks a value; the file is damaged")
	}
	for i := 0; i < len(pairs); i += 2 {
		d.set(pairs[i], pairs[i+1])
	}
	return nil
}

// get is the value of a key that is text; nil if there is none.
func (d *dict) get(key string) any {
	if i, ok := d.index[key]; ok {
		return d.values[i]
	}
	return nil
}

// container carries out the opcodes that make and fill containers.
func (m *machine) container(op byte) error {
	var items []any
	var err error
	switch op { // what it takes from the stack
	case opTuple, opList, opFrozenSet, opDict, opAppends, opAddItems, opSetItems:
		items, err = m.toMark()
	case opTuple1, opAppend:
		items, err = m.last(1)
	case opTuple2, opSetItem:
		items, err = m.last(2)
	case opTuple3:
		items, err = m.last(3)
	}
	if err != nil {
		return err
	}
	switch op {
	case opEmptyTuple, opTuple, opTuple1, opTuple2, opTuple3:
		return m.push(tuple(items))
	case opEmptyList, opList, opEmptySet, opFrozenSet:
		return m.push(&list{items})
	case opEmptyDict, opDict:
		d := &dict{}
		if err := d.setAll(items); err != nil {
			return err
		}
		return m.push(d)
	}
	into, err := m.top()
	if err != nil {
		return err
	}
	filled := op == opAppend || op == opAppends || op == opAddItems
	switch into := into.(type) {
	case *list:
		if filled {
			into.items = append(into.items, items...)
			return nil
		}
	case *dict:
		if !filled {
			return into.setAll(items)
		}
	}
	return fmt.Errorf("its pickle puts items into %s; the file is damaged", describe(into))
}

// describe names a value in an error message, without its contents.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case tuple:
		return fmt.Sprintf("a tuple of %d", len(v))
	case *list:
		return "a list"
	case *dict:
		return "a dict"
	case global:
		return string(v)
	case *window:
		return "a tensor"
	case *storage:
		return "a storage"
	case string:
		return "a text"
	case placeholder:
		return "an object of " + string(v)
	}
	return fmt.Sprintf("a value of type %T", v)
}
