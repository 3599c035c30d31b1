package data

import (
	"errors"
	"fmt"
	"math"
)

// Own is one step that a user's function does to slices, before or after they are resized.
type Own struct {
	Name string `json:"fn"` // for people
	// Identity stands for the function wherever preparations are compared: the same text, the same pixels.
	Identity string `json:"identity"`
	// Apply is given the pixels (height, width, channels), 0 to 255, and changes them in place; what comes out is rounded and limited to that range. It is
	// nil in a preparation that was read from a file.
	Apply func(pixels []float32, height, width, channels int) error `json:"-"`
}

// applyOwn runs the user's steps on one slice, pixels (height, width, channels).
func applyOwn(steps []Own, pixels []float32, height, width, channels int) error {
	for _, step := range steps {
		if step.Apply == nil {
			return fmt.Errorf("%s: %w", step.Name, errors.New("the step was read from a file and cannot be applied again"))
		}
		if err := step.Apply(pixels, height, width, channels); err != nil {
			return fmt.Errorf("%s: %w", step.Name, err)
		}
		for i, v := range pixels {
			if v != v {
				return fmt.Errorf("%s: the pixel in row %d, column %d is not a number", step.Name, i/channels/width, i/channels%width)
			}
		}
	}
	for i, v := range pixels {
		pixels[i] = float32(math.Round(float64(min(max(v, 0), 255))))
	}
	return nil
}
