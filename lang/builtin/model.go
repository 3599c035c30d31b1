package builtin

import "github.com/mseg-lang/mseg/lang/types"

func init() {
	registerWords(Words{Name: "gate term", Doc: "what a gate sees of a case",
		Items: []string{"organ", "task", "modality", "image"},
		Docs:  []string{"embeddings of body, body part, subregion and organ, mixed by their own gate", "embedding of the task", "embedding of the modality", "mean of the image tokens"}})
	registerWords(Words{Name: "group", Doc: "parts of a model that can be trained",
		Items: []string{"encoder", "experts", "prompt", "decoder", "all"}})
	registerWords(Words{Name: "all", Items: []string{"all"}, Doc: "every block"})
	registerWords(Words{Name: "shared", Items: []string{"shared"}, Doc: "the expert that all unlisted tasks share"})
	registerWords(Words{Name: "gate version", Items: []string{"v2", "v1"}, Doc: "generation of MedSegX's gate"})

	mixtureParams := []Param{
		need("count", "int", "number of experts; 0 is no adapter, 1 a single one without a gate").within(0, 256),
		p("bottleneck", "int", "16", "hidden width of each expert").within(1, 4096),
		p("embedding", "int", "16", "width of the gate's embeddings").within(1, 4096),
		p("scale", "number", "0.1", "factor of the mixture's output").above(0),
		p("dropout", "number", "0.1", "dropout of the hidden units in training").within(0, 0.99),
		p("gate", "gate", "soft(organ, task, modality, image)", "how experts are weighted"),
		p("block", "block", "", "what stands in the place of the bottleneck: a fn(x: features) -> features of the script; bottleneck and dropout are then its own affair"),
	}
	register(Builtin{Name: "mixture", Result: result("experts"),
		Doc:     "A contextual mixture of adapter experts (ConMoAE): in every block, small bottleneck networks beside the MLP, weighted by a gate that sees organ path, task, modality and image.",
		Params:  mixtureParams,
		Example: "mixture(4, bottleneck: 16, scale: 0.1) { gate: soft(organ, task, modality, image) }"})
	register(Builtin{Name: "soft", Result: result("gate"),
		Doc:     "All experts, weighted by a softmax over what is listed.",
		Params:  []Param{p("terms", "list<word<gate term>>", "", "what the gate sees; everything when empty").rest(), p("version", "word<gate version>", "v2", "generation of MedSegX's gate")},
		Example: "soft(organ, task)"})
	register(Builtin{Name: "equal", Result: result("gate"),
		Doc:     "All experts with the same weight, whatever the case is: a mixture that sees no context, for comparison.",
		Example: "equal"})
	register(Builtin{Name: "top", Result: result("gate"),
		Doc: "Only the k experts with the largest weights, renormalised; a balance loss keeps all of them in use.",
		Params: []Param{need("k", "int", "number of experts used").within(1, 256),
			p("of", "gate", "soft(organ, task, modality, image)", "gate that ranks them"),
			p("balance", "number", "0.01", "weight of the load-balance loss").atLeast(0)},
		Example: "top(2, balance: 0.01)"})
	register(Builtin{Name: "route", Result: result("experts"),
		Doc:    "Hard routing along the tree: each task uses the expert of its nearest listed ancestor, others the one under else. In place of an expert may stand a mixture: its tasks are weighed among its experts. The mixtures of a route share one gate and agree in embedding, scale, dropout and what the gate sees.",
		Params: []Param{p("taxonomy", "taxonomy", "", "tree whose paths are used; MedSegDB's when absent"), need("else", "expert | experts", "expert or mixture of all other tasks")},
		Keys:   "path → expert or mixture of the subtree", KeyBase: "path", KeyType: types.Parse("expert | experts"),
		Example: "route { /torso/abdomen: expert(bottleneck: 16), else: shared }"})
	register(Builtin{Name: "expert", Result: result("expert"),
		Doc: "One adapter expert of a route.",
		Params: []Param{p("bottleneck", "int", "16", "hidden width").within(1, 4096),
			p("init", "path", "", "start with the first values of the expert of this listed path, which has the same form; its own random ones when absent"),
			p("block", "block", "", "what stands in the place of the bottleneck: a fn(x: features) -> features of the script; bottleneck is then its own affair")},
		Example: "expert(bottleneck: 32)"})
	register(Builtin{Name: "shared", Result: result("expert"),
		Doc: "The expert that all unlisted tasks share.", Example: "shared"})

	sam := func(size string) []Param {
		return []Param{
			p("image", "number<px>", size, "side of the input, a multiple of the patch").within(16, 2048),
			p("weights", "file", "", "weights to start from: safetensors, a PyTorch .pth (nothing in it is executed) or npz; random initialisation when absent"),
			p("seed", "int", "0", "seed of the initialisation").atLeast(0),
		}
	}
	register(Builtin{Name: "sam_tiny", Result: result("model"), Stage: true,
		Doc:     "A small model of SAM's form (ViT encoder with windows and relative positions, prompt encoder, two-way mask decoder at full resolution) that trains from scratch in minutes on a CPU.",
		Params:  append(sam("128 px"), p("patch", "number<px>", "8 px", "side of a patch, a power of two: fine outlines of small structures need small patches").within(2, 64)),
		Example: "sam_tiny(image: 64 px, patch: 4 px)"})
	register(Builtin{Name: "sam_vit_b", Result: result("model"), Stage: true,
		Doc:     "SAM with the ViT-B encoder (Kirillov et al. 2023) at 256 px and full-resolution masks, as MedSegX uses it.",
		Params:  sam("256 px"),
		Example: `sam_vit_b(image: 256 px)`})
	register(Builtin{Name: "unet", Result: result("model"), Stage: true,
		Doc: "A plain U-Net (Ronneberger et al. 2015) with instance norm; the box prompt is an input channel.",
		Params: []Param{p("image", "number<px>", "128 px", "side of the input").within(16, 2048),
			p("base", "int", "16", "channels of the first level").within(1, 1024),
			p("depth", "int", "4", "number of levels").within(2, 7),
			p("height", "number<px>", "", "rows of the input where they are not as many as its columns, which image counts then; samples of any shape come from a prep without resize").within(16, 2048),
			p("weights", "file", "", "weights to start from: safetensors, .pth or npz"),
			p("seed", "int", "0", "seed of the initialisation").atLeast(0)},
		Example: "unet(image: 128 px, base: 16)"})
	register(Builtin{Name: "box_fill", Result: result("model"),
		Doc: "Baseline: the box itself is the mask. A model must be compared with it.", Example: "box_fill"})
	register(Builtin{Name: "box_ellipse", Result: result("model"),
		Doc: "Baseline: the ellipse inscribed in the box is the mask.", Example: "box_ellipse"})
	register(Builtin{Name: "adapt", Result: result("model"), Stage: true,
		Doc: "Puts experts into the blocks of a model's encoder and says what is trained. The blocks of SAM are those of its ViT; the blocks of a U-Net are the levels of its encoder, from the full resolution down.",
		Params: []Param{
			piped("model", "model", "model to adapt"),
			p("experts", "experts", "", "mixture or route; without it only what is trained is said, as in adapt(train: [decoder])"),
			p("blocks", "word<all> | list<int>", "all", "blocks that get them, from 0"),
			p("train", "list<word<group>>", "[experts, decoder]", "what is trained; the rest stays as it is"),
		},
		Example: "sam_tiny() |> adapt(mixture(4), blocks: all, train: [experts, decoder])"})
	registerField("model", "params", "number", "number of parameters")
	registerField("model", "trainable", "number", "number of parameters that training changes")
	registerField("model", "history", "figure", "loss and validation Dice by epoch")
}
