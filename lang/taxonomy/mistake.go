package taxonomy

import "fmt"

// Kind is what a mistake in a taxonomy is about.
type Kind int

// The kinds of mistakes.
const (
	Taken    Kind = iota // a name that something else has
	NoOrgan              // a path that is not an organ's where one must be
	NoNode               // a path that the tree does not have
	NoTask               // a task that the tree does not have
	Spelling             // of a modality: it is another's, or cannot be one
	Form                 // what can be no synonym or id, whatever the tree has
)

// Mistake is the error of what changes a tree.
type Mistake struct {
	Kind Kind
	text string
}

func (m *Mistake) Error() string { return m.text }

func mistake(k Kind, format string, args ...any) error {
	return &Mistake{k, fmt.Sprintf(format, args...)}
}
