package graph

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mseg-lang/mseg/ops/graph/gemm"
)

// The products of package gemm read weights in an order of their own, into which each of them brings its weights anew: a thirtieth of the time of an
// image encoder. Weights of a program that is called again and again are brought into it once, and kept so beside the host's. Where products are of quarters what is packed
// is longer than the array as which XLA gets it, and says where it lies, so that a copy is refused and not read beyond its end.
//
// What is packed belongs to the DeviceParams, as copies on a device do, with the version of the host's tensor that it was made from. It is used only where the
// program is asked and the value cannot change unseen: parameters that a Step has are never packed.

// packAfter is the call that packs, of those of one set of parameters. Packing takes as long as it saves in a dozen calls and up to 7/4 of the memory of the
// weights: those who ask once or twice do better without.
const packAfter = 4

// takesPacked is a compiled program that takes weights packed as well.
type takesPacked interface {
	takes() []*gemm.Layout // of each argument: how it may be packed; nil: not at all
	executePacked(inputs []compute.Buffer, packed []bool, device compute.DeviceNum) ([]compute.Buffer, error)
}

// products are weights of a DeviceParams as products read them.
type products struct {
	never bool // values change on the device
	calls int  // that could have used them
	kept  map[packedKey]resident
}

type packedKey struct {
	name   string
	layout gemm.Layout
}

// operand is a weight that is to be packed.
type operand struct {
	data   []float32
	dims   []int
	layout gemm.Layout
}

// Packed is the memory in bytes that weights take which are packed for products, beside what they take as they are.
func (d *DeviceParams) Packed() (bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key := range d.products.kept {
		bytes += 4 * int64(key.layout.Size())
	}
	return bytes
}

// end is called when parameters are trained.
func (p *products) end() {
	p.never = true
	p.drop()
}

// drop forgets everything and says whether there was anything.
func (p *products) drop() bool {
	some := len(p.kept) > 0
	for key, r := range p.kept {
		_ = r.t.FinalizeAll()
		delete(p.kept, key)
	}
	p.calls = 0
	return some
}

// packed returns, for the arguments of a program, the weights that are there packed, and packs them if it is time. Whatever is wrong with a parameter is
// found where it is asked for as it is.
func (d *DeviceParams) packed(feeds []feed, layouts []*gemm.Layout) ([]*tensors.Tensor, error) {
	if d.base != nil || !slices.ContainsFunc(layouts, func(l *gemm.Layout) bool { return l != nil }) {
		return nil, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &d.products
	if p.never || len(d.lost) > 0 {
		return nil, nil
	}
	p.calls++
	out := make([]*tensors.Tensor, len(feeds))
	var missing []int
	var operands []operand
	var bytes int64
	for i, l := range layouts {
		if l == nil {
			continue
		}
		e, ok := d.host.entries[feeds[i].name]
		if !ok || !slices.Equal(e.tensor.Dims, feeds[i].dims) || len(e.tensor.Data) == 0 {
			continue
		}
		key := packedKey{feeds[i].name, *l}
		if r, ok := p.kept[key]; ok && r.version == e.version {
			out[i] = r.t
			continue
		} else if ok { // values have been replaced, perhaps before every call
			p.drop()
			return nil, nil
		}
		missing = append(missing, i)
		operands = append(operands, operand{e.tensor.Data, e.tensor.Dims, *l})
		bytes += 4 * int64(l.Size())
	}
	if len(missing) == 0 || p.calls < packAfter {
		return out, nil
	}
	var made []*tensors.Tensor
	if free := FreeMemory(); free == 0 || free >= 4*bytes {
		var err error
		if made, err = d.b.packed(operands); err != nil {
			return nil, err
		}
	}
	if made == nil { // there is no room; perhaps there is some calls later
		p.calls = 0
		return out, nil
	}
	if p.kept == nil {
		p.kept = map[packedKey]resident{}
	}
	for j, i := range missing {
		out[i] = made[j]
		p.kept[packedKey{feeds[i].name, operands[j].layout}] = resident{t: made[j], version: d.host.entries[feeds[i].name].version}
	}
	return out, nil
}
