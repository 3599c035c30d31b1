package engine

import "fmt"

// extent is the size of what a network sees, in pixels.
type extent struct{ width, height int }

// extent is the size of a model's image: a square, unless the model is a U-Net with a height of its own.
func (m *Model) extent() extent {
	c := m.Built.Config
	if c.Height > 0 {
		return extent{c.Image, c.Height}
	}
	return extent{c.Image, c.Image}
}

func (e extent) square() bool { return e.width == e.height }

func (e extent) String() string { return fmt.Sprintf("%d×%d px", e.width, e.height) }
