package weights

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Families of networks that leave a trace in the names of their state dicts.
const (
	SAM       = "SAM" // MedSAM has the same names and shapes
	SAMMed2D  = "SAM-Med2D"
	MedSegXV1 = "MedSegX v1" // one gate for all context
	MedSegXV2 = "MedSegX v2" // levels of the organ weighed first
	Experts   = "SAM with experts"
	UNet      = "U-Net" // this program's
	NNUNet    = "nnU-Net"
	ResEnc    = "nnU-Net with a residual encoder"
	ViT       = "ViT with a convolutional decoder" // this program's
)

// Family is what names and shapes tell about a state dict. Numbers that cannot
// be told are 0.
type Family struct {
	Name    string `json:"family"`            // one of the constants, another network's name for people, or empty
	Partial bool   `json:"partial,omitempty"` // only what was trained; the rest comes from a base

	Width      int   `json:"width,omitempty"`  // of the encoder
	Depth      int   `json:"blocks,omitempty"` // of the encoder
	Heads      int   `json:"heads,omitempty"`
	Patch      int   `json:"patch,omitempty"`  // px
	Image      int   `json:"image,omitempty"`  // px
	Window     int   `json:"window,omitempty"` // tokens
	Experts    int   `json:"experts,omitempty"`
	Bottleneck int   `json:"bottleneck,omitempty"`
	Embedding  int   `json:"embedding,omitempty"`
	Adapted    []int `json:"adapted_blocks,omitempty"`
	Axes       int   `json:"axes,omitempty"`     // of nnU-Net: 2 for images, 3 for volumes
	Channels   int   `json:"channels,omitempty"` // of nnU-Net's input
	Outputs    int   `json:"outputs,omitempty"`  // of nnU-Net
	// FullResolution says that masks are painted at the image's size.
	FullResolution bool `json:"full_resolution,omitempty"`
}

// others are networks that are not read, known by a part of a name.
var others = []struct{ part, name string }{
	{"vision_encoder.layers.", "SAM in the names of the transformers library; use the .pth file of segment-anything"},
	{"image_encoder.trunk.", "SAM 2"},
	{"encoder.stages.", "nnU-Net"},
	{"conv_blocks_context.", "nnU-Net v1"},
	{"cls_token", "a vision transformer for classification"},
	{"layer1.0.conv1.weight", "a ResNet"},
	{"exp_avg", "the state of an optimiser"},
}

var block = regexp.MustCompile(`^image_encoder\.blocks\.(\d{1,4})\.(.*)$`)

// Recognise tells the family from names and dimensions; prefixes that training
// programs put before the names do not matter.
func Recognise(dims map[string][]int) Family {
	dims = unprefixed(dims)
	var f Family
	adapted, gates, organGates, convolutional, encoder, decoder := map[int]bool{}, 0, 0, 0, 0, 0
	relative := map[int]bool{} // rows of tables of relative positions
	headWidth := 0
	for name, d := range dims {
		if strings.HasPrefix(name, "mask_decoder.") {
			decoder++
		}
		m := block.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		i, _ := strconv.Atoi(m[1])
		f.Depth = max(f.Depth, i+1)
		switch rest := m[2]; {
		case strings.HasPrefix(rest, "mlp.adapter_down."):
			adapted[i] = true
			if parts := strings.Split(rest, "."); len(parts) == 4 && parts[3] == "weight" && len(d) == 2 {
				n, _ := strconv.Atoi(parts[2])
				f.Experts, f.Bottleneck = max(f.Experts, n+1), max(f.Bottleneck, d[0])
			}
		case rest == "mlp.adapter_gate.weight":
			gates++
		case rest == "mlp.adapter_organ_gate.weight":
			organGates++
		case strings.HasPrefix(rest, "Adapter."):
			convolutional++
		case rest == "attn.qkv.weight" && len(d) == 2:
			encoder++
			f.Width = d[1]
		case rest == "attn.rel_pos_h" && len(d) == 2:
			relative[d[0]] = true
			headWidth = d[1]
		}
	}
	for i := range f.Depth {
		if adapted[i] {
			f.Adapted = append(f.Adapted, i)
		}
	}
	f.geometry(dims, relative, headWidth)
	f.FullResolution = dims["mask_decoder.output_upscaling.6.weight"] != nil
	if e := dims["image_encoder.modal_embed.weight"]; len(e) == 2 {
		f.Embedding = e[1]
	}
	levels := dims["image_encoder.organ_embed.1.weight"] != nil
	switch {
	case encoder > 0 && dims["decoder.steps.0.conv.weight"] != nil:
		f.Name = ViT
	case organGates > 0:
		f.Name = MedSegXV2
	case gates > 0 && levels:
		f.Name = MedSegXV1
	case len(adapted) > 0:
		f.Name = Experts
	case convolutional > 0:
		f.Name = SAMMed2D
	case encoder > 0 || decoder > 0 && dims["mask_decoder.iou_token.weight"] != nil:
		f.Name = SAM
	case dims["down.0.conv0.weight"] != nil && dims["head.weight"] != nil:
		f.unet(dims)
	case dims[plainStage] != nil && dims["decoder.seg_layers.0.weight"] != nil:
		f.nnunet(dims, NNUNet, plainStage)
	case dims[residualStem] != nil && dims["decoder.seg_layers.0.weight"] != nil:
		f.nnunet(dims, ResEnc, residualStem)
	default:
		for name := range dims {
			for _, o := range others {
				if strings.Contains(name, o.part) && (f.Name == "" || f.Name > o.name) {
					f.Name = o.name
				}
			}
		}
	}
	f.Partial = encoder == 0 && f.Promptable()
	return f
}

// geometry fills in what the tables of positions tell.
func (f *Family) geometry(dims map[string][]int, relative map[int]bool, headWidth int) {
	grid := 0
	if p := dims["image_encoder.patch_embed.proj.weight"]; len(p) == 4 {
		f.Patch = p[3]
	}
	if p := dims["image_encoder.pos_embed"]; len(p) == 4 {
		grid = p[1]
		f.Image = grid * f.Patch
	}
	if headWidth > 0 {
		f.Heads = f.Width / headWidth
	}
	for rows := range relative {
		if rows != 2*grid-1 {
			f.Window = (rows + 1) / 2
		}
	}
}

func (f *Family) unet(dims map[string][]int) {
	f.Name = UNet
	if d := dims["down.0.conv0.weight"]; len(d) == 4 {
		f.Width = d[0]
	}
	for dims[fmt.Sprintf("down.%d.conv0.weight", f.Depth)] != nil {
		f.Depth++
	}
	f.adapters(dims, "down.")
}

// The first convolution of nnU-Net's networks.
const (
	plainStage   = "encoder.stages.0.0.convs.0.conv.weight"
	residualStem = "encoder.stem.convs.0.conv.weight"
)

func (f *Family) nnunet(dims map[string][]int, name, first string) {
	f.Name = name
	if d := dims[first]; len(d) > 2 {
		f.Width, f.Channels, f.Axes = d[0], d[1], len(d)-2
	}
	if d := dims["decoder.seg_layers.0.weight"]; len(d) > 0 {
		f.Outputs = d[0]
	}
	for dims[fmt.Sprintf("encoder.stages.%d.0.convs.0.conv.weight", f.Depth)] != nil || dims[fmt.Sprintf("encoder.stages.%d.blocks.0.conv1.conv.weight", f.Depth)] != nil {
		f.Depth++
	}
	f.adapters(dims, "encoder.stages.")
}

// adapters fills in the experts of a U-Net.
func (f *Family) adapters(dims map[string][]int, levels string) {
	for i := range f.Depth {
		d := dims[fmt.Sprintf("%s%d.adapter_down.0.weight", levels, i)]
		if len(d) != 2 {
			continue
		}
		f.Adapted = append(f.Adapted, i)
		experts := 0
		for ; len(d) == 2; d = dims[fmt.Sprintf("%s%d.adapter_down.%d.weight", levels, i, experts)] {
			experts++
			f.Bottleneck = max(f.Bottleneck, d[0])
		}
		f.Experts = max(f.Experts, experts)
	}
}

// convolutional is true for U-Nets of all kinds.
func (f Family) convolutional() bool { return slices.Contains([]string{UNet, NNUNet, ResEnc}, f.Name) }

// Promptable is true for SAM and what was made of it.
func (f Family) Promptable() bool {
	return slices.Contains([]string{SAM, SAMMed2D, MedSegXV1, MedSegXV2, Experts}, f.Name)
}

// String is one line for people, such as "SAM or MedSAM, ViT-B, 1024 px".
func (f Family) String() string {
	switch {
	case f.Name == "":
		return "a network that is not recognised"
	case f.convolutional():
		parts := []string{f.Name, fmt.Sprintf("%d channels", f.Width), fmt.Sprintf("%d levels", f.Depth)}
		if f.Axes == 3 {
			parts[0] += " for volumes"
		}
		if f.Channels > 0 {
			parts = append(parts, fmt.Sprintf("input of %d, output of %d", f.Channels, f.Outputs))
		}
		if f.Experts > 0 {
			parts = append(parts, f.adaptedText("level"))
		}
		return strings.Join(parts, ", ")
	case !f.Promptable() && f.Name != ViT:
		return f.Name
	}
	var parts []string
	if f.Name == SAM {
		parts = append(parts, "SAM or MedSAM")
	} else {
		parts = append(parts, f.Name)
	}
	if f.Partial {
		parts = append(parts, "the trained part alone")
	}
	switch [2]int{f.Width, f.Depth} {
	case [2]int{768, 12}:
		parts = append(parts, "ViT-B")
	case [2]int{1024, 24}:
		parts = append(parts, "ViT-L")
	case [2]int{1280, 32}:
		parts = append(parts, "ViT-H")
	default:
		if f.Width > 0 {
			parts = append(parts, fmt.Sprintf("%d blocks of width %d", f.Depth, f.Width))
		}
	}
	if f.Image > 0 {
		parts = append(parts, fmt.Sprintf("%d px in patches of %d", f.Image, f.Patch))
	}
	if f.Experts > 0 {
		parts = append(parts, f.adaptedText("block"))
	}
	if f.FullResolution {
		parts = append(parts, "masks at full resolution")
	}
	return strings.Join(parts, ", ")
}

func (f Family) adaptedText(part string) string {
	if len(f.Adapted) != 1 {
		part += "s"
	}
	return fmt.Sprintf("%d experts of %d units in %d %s", f.Experts, f.Bottleneck, len(f.Adapted), part)
}

// unprefixed drops what all names begin with; see [Names].
func unprefixed(dims map[string][]int) map[string][]int {
	n := len(commonPrefix(slices.Collect(maps.Keys(dims))))
	out := make(map[string][]int, len(dims))
	for name, d := range dims {
		out[name[n:]] = d
	}
	return out
}

func familyOf(specs []graph.Spec) Family {
	dims := map[string][]int{}
	for _, s := range specs {
		dims[s.Name] = s.Dims
	}
	return Recognise(dims)
}

// FamilyOf is the family of a state dict that has been read.
func FamilyOf(p *graph.Params) Family {
	dims := map[string][]int{}
	for _, name := range p.Names() {
		t, _ := p.Get(name)
		dims[name] = t.Dims
	}
	return Recognise(dims)
}
