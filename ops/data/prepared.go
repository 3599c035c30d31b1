package data

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mseg-lang/mseg/ops/image"
)

// A prepared file is a .npz archive, so numpy.load opens it: arrays images_0 (N, H, W, C) and masks_0 (M, H, W) of uint8 for
// each size of slice that occurs, and the member prepared.json that says what they are. Slices that several samples share
// are stored once.
const (
	preparedFormat  = "mseg-prepared"
	preparedVersion = 1
	preparedMember  = "prepared.json"
)

type preparedIndex struct {
	Format  string            `json:"format"`
	Version int               `json:"version"`
	Prep    Prep              `json:"prep"`
	SHA256  map[string]string `json:"sha256"` // of the bytes of each array
	Samples []preparedSample  `json:"samples"`
}

type preparedSample struct {
	Sample
	Group int `json:"group"`
	Image int `json:"image_index"`
	Mask  int `json:"mask_index"` // -1 for a sample without a mask
}

type preparedGroup struct {
	w, h, c       int
	images, masks []byte
	at            map[[32]byte]int // position of an image by content
	maskCount     int
}

// WritePrepared stores samples with the parameters that made them, atomically. The same samples give the same bytes.
func WritePrepared(path string, samples []Sample, p Prep) error {
	index := preparedIndex{Format: preparedFormat, Version: preparedVersion, Prep: p, SHA256: map[string]string{}, Samples: []preparedSample{}}
	var groups []*preparedGroup
	for i, s := range samples {
		if len(s.Image) != s.Width*s.Height*s.Channels || s.Mask != nil && len(s.Mask) != s.Width*s.Height {
			return fmt.Errorf("write %s: sample %d (%s) has %d image and %d mask bytes for %d×%d×%d", path, i, s.Key(), len(s.Image), len(s.Mask), s.Height, s.Width, s.Channels)
		}
		g := -1
		for k, have := range groups {
			if have.w == s.Width && have.h == s.Height && have.c == s.Channels {
				g = k
			}
		}
		if g < 0 {
			g = len(groups)
			groups = append(groups, &preparedGroup{w: s.Width, h: s.Height, c: s.Channels, at: map[[32]byte]int{}})
		}
		to := groups[g]
		sum := sha256.Sum256(s.Image)
		at, seen := to.at[sum]
		if !seen {
			at = len(to.at)
			to.at[sum] = at
			to.images = append(to.images, s.Image...)
		}
		mask := -1
		if s.Mask != nil {
			mask = to.maskCount
			to.maskCount++
			to.masks = append(to.masks, s.Mask...)
		}
		index.Samples = append(index.Samples, preparedSample{s, g, at, mask})
	}
	arrays := map[string]*image.Array{}
	for k, g := range groups {
		images, masks := fmt.Sprintf("images_%d", k), fmt.Sprintf("masks_%d", k)
		arrays[images] = image.NewArray(g.images, len(g.at), g.h, g.w, g.c)
		arrays[masks] = image.NewArray(g.masks, g.maskCount, g.h, g.w)
	}
	for name, a := range arrays {
		index.SHA256[name] = hashBytes(a.Bytes())
	}
	text, err := json.MarshalIndent(index, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return image.WriteBundle(path, arrays, map[string][]byte{preparedMember: text})
}

// ReadPrepared reads a prepared file and verifies all of it: checksums, shapes, that every sample points at pixels that are
// there and that masks hold only 0 and 1. Images of the same slice share memory again.
func ReadPrepared(path string) ([]Sample, Prep, error) {
	arrays, texts, err := image.ReadBundle(path)
	if err != nil {
		return nil, Prep{}, err
	}
	samples, prep, err := unpack(arrays, texts)
	if err != nil {
		return nil, Prep{}, fmt.Errorf("read %s: %w", path, err)
	}
	return samples, prep, nil
}

func unpack(arrays map[string]*image.Array, texts map[string][]byte) ([]Sample, Prep, error) {
	var index preparedIndex
	text := texts[preparedMember]
	if text == nil {
		return nil, Prep{}, fmt.Errorf("no member %s: not a prepared file", preparedMember)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&index); err != nil {
		return nil, Prep{}, fmt.Errorf("%s: %w", preparedMember, err)
	}
	if index.Format != preparedFormat || index.Version != preparedVersion {
		return nil, Prep{}, fmt.Errorf("format %q version %d; %s version %d is read, prepare the data again", index.Format, index.Version, preparedFormat, preparedVersion)
	}
	if err := index.Prep.Check(); err != nil {
		return nil, Prep{}, err
	}
	for name, a := range arrays {
		if index.SHA256[name] != hashBytes(a.Bytes()) {
			return nil, Prep{}, fmt.Errorf("checksum of %s is wrong: the file was changed or damaged", name)
		}
		if a.DType != image.Uint8 {
			return nil, Prep{}, fmt.Errorf("%s is %s; uint8 is needed", name, a.DType.Name())
		}
	}
	samples := make([]Sample, len(index.Samples))
	for i, p := range index.Samples {
		s := p.Sample
		if s.Width < 1 || s.Height < 1 || s.Channels != 1 && s.Channels != 3 {
			return nil, Prep{}, fmt.Errorf("sample %d is %d×%d with %d channels", i, s.Width, s.Height, s.Channels)
		}
		var err error
		if s.Image, err = member(arrays, fmt.Sprintf("images_%d", p.Group), p.Image, s.Height, s.Width, s.Channels); err == nil && p.Mask >= 0 {
			s.Mask, err = member(arrays, fmt.Sprintf("masks_%d", p.Group), p.Mask, s.Height, s.Width)
		}
		if err != nil {
			return nil, Prep{}, fmt.Errorf("sample %d: %w", i, err)
		}
		for _, v := range s.Mask {
			if v > 1 {
				return nil, Prep{}, fmt.Errorf("sample %d: the mask holds %d; 0 and 1 are possible", i, v)
			}
		}
		samples[i] = s
	}
	return samples, index.Prep, nil
}

// member cuts element i out of an array of the given inner shape.
func member(arrays map[string]*image.Array, name string, i int, inner ...int) ([]uint8, error) {
	a := arrays[name]
	if a == nil {
		return nil, errors.New(name + " is missing")
	}
	size := 1
	fits := len(a.Shape) == len(inner)+1
	for k, n := range inner {
		size *= n
		fits = fits && a.Shape[k+1] == n
	}
	if !fits || i < 0 || i >= a.Shape[0] {
		return nil, fmt.Errorf("%s has shape %v; element %d of shape %v is needed", name, a.Shape, i, inner)
	}
	return a.Bytes()[i*size : (i+1)*size : (i+1)*size], nil
}

func hashBytes(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
