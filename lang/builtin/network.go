package builtin

// Networks beside sam_tiny, sam_vit_b and unet (model.go): the other published sizes and families.
func init() {
	registerWords(Words{Name: "vit size", Doc: "encoder of SAM", Items: []string{"vit_b", "vit_l", "vit_h"},
		Docs: []string{"12 blocks of width 768", "24 blocks of width 1024", "32 blocks of width 1280"}})

	registerWords(Words{Name: "batch size", Items: []string{"planned"}, Doc: "the batch that nnunet decided on"})

	promptable := func(size, multiple string) []Param {
		return []Param{
			p("image", "number<px>", size, "side of the input, a multiple of "+multiple).within(16, 2048),
			p("weights", "file", "", "weights to start from: safetensors, a PyTorch .pth (nothing in it is executed) or npz; tables of positions made for another size are interpolated; random initialisation when absent"),
			p("seed", "int", "0", "seed of the initialisation").atLeast(0),
		}
	}
	register(Builtin{Name: "sam_vit_l", Result: result("model"), Stage: true,
		Doc:    "SAM with the ViT-L encoder (Kirillov et al. 2023) at 256 px and full-resolution masks, as MedSegX uses it.",
		Params: promptable("256 px", "16 px"), Example: "sam_vit_l(image: 256 px)"})
	register(Builtin{Name: "sam_vit_h", Result: result("model"), Stage: true,
		Doc:    "SAM with the ViT-H encoder (Kirillov et al. 2023) at 256 px and full-resolution masks, as MedSegX uses it.",
		Params: promptable("256 px", "16 px"), Example: "sam_vit_h(image: 256 px)"})
	register(Builtin{Name: "sam", Result: result("model"), Stage: true,
		Doc: "The Segment Anything Model as published (Kirillov et al. 2023): masks are painted at a quarter of the image and enlarged. Published weights are for 1024 px; any multiple of 16 px works.",
		Params: append([]Param{p("size", "word<vit size>", "vit_b", "encoder")},
			promptable("1024 px", "16 px")...),
		Example: "sam(vit_l, image: 1024 px)"})
	register(Builtin{Name: "medsam", Result: result("model"), Stage: true,
		Doc:    "MedSAM as published (Ma et al. 2024): SAM ViT-B that answers one mask for a box and stretches the values of each image to 0..1.",
		Params: promptable("1024 px", "16 px"), Example: "medsam(image: 1024 px)"})
	register(Builtin{Name: "sam_med2d", Result: result("model"), Stage: true,
		Doc:    "SAM-Med2D as published (Cheng et al. 2023): SAM ViT-B with a convolutional adapter beside the MLP of every block; masks are painted at a quarter of the image and enlarged.",
		Params: promptable("256 px", "32 px"), Example: "sam_med2d(image: 256 px)"})

	registerWords(Words{Name: "vit backbone", Doc: "encoder of vit", Items: []string{"tiny", "vit_b", "vit_l", "vit_h"},
		Docs: []string{"4 blocks of width 96, patches of 8 px, as in sam_tiny", "12 blocks of width 768", "24 blocks of width 1024", "32 blocks of width 1280"}})

	networks := []Param{
		p("box", "bool", "true", "show the box prompt to the network, as a further input channel"),
		p("weights", "file", "", "weights to start from: safetensors, .pth or npz"),
		p("seed", "int", "0", "seed of the initialisation").atLeast(0),
	}
	register(Builtin{Name: "vit", Result: result("model"), Stage: true,
		Doc: "A vision transformer without a promptable decoder: SAM's encoder, and convolutions that enlarge its features step by step (SETR-PUP, Zheng et al. 2021). Shows beside SAM what prompt encoder and mask decoder are good for. A file of SAM gives it the encoder.",
		Params: append([]Param{
			p("size", "word<vit backbone>", "tiny", "encoder"),
			p("image", "number<px>", "256 px", "side of the input, a multiple of the patch").within(16, 2048),
			p("patch", "number<px>", "", "side of a patch, a power of two; 8 px for tiny and 16 px for the others when absent").within(2, 64),
		}, networks...),
		Example: "vit(tiny, image: 64 px)"})
	register(Builtin{Name: "residual_unet", Result: result("model"), Stage: true,
		Doc: "A residual U-Net: the network of nnU-Net's residual presets (Isensee et al. 2024), with instance norm and leaky ReLU, strided convolutions on the way down and one convolution a level on the way up.",
		Params: append([]Param{
			p("image", "number<px>", "128 px", "side of the input").within(16, 2048),
			p("base", "int", "16", "channels of the first level, doubled at each further one").within(1, 1024),
			p("depth", "int", "4", "number of levels").within(2, 8),
			p("blocks", "list<int>", "[1, 3, 4, 6, 6, 6, 6, 6]", "residual blocks of each level, the first ones of the list").within(1, 100),
			p("deep", "bool", "false", "deep supervision: coarser answers count in the loss too, with half the weight at each halving"),
			p("height", "number<px>", "", "rows of the input where they are not as many as its columns, which image counts then; samples of any shape come from a prep without resize").within(16, 2048),
		}, networks...),
		Example: "residual_unet(image: 128 px, base: 16, depth: 4)"})
	register(Builtin{Name: "nnunet", Result: result("model"), Stage: true,
		Doc: "A U-Net that configures itself from prepared training samples by the rules of nnU-Net (Isensee et al. 2021): size and spacing decide how often which axis is halved and with which kernels, 32 channels double up to 512, the memory decides the batch, the values of the foreground how CT enters. `mseg plan` and the report show the plan. Samples that are too large for the memory, or of different sizes, are seen in parts: then box: false is needed, with sampling: patches() in the training and inference: sliding() in the evaluation. " +
			"nnU-Net trains with poly(0.9), dice + bce and deep supervision; batch: planned takes the batch of the plan.",
		Params: append([]Param{
			piped("data", "data", "prepared training samples"),
			p("residual", "bool", "false", "residual encoder, as in the preset ResEnc M"),
			p("memory", "number<GiB>", "8 GiB", "memory of the device that nnU-Net's budget is for").above(0),
			p("deep", "bool", "true", "deep supervision: coarser answers count in the loss too, with half the weight at each halving"),
		}, networks...),
		Example: "samples |> nnunet(memory: 4 GiB)", Frame: samples})
}

func init() {
	register(Builtin{Name: "custom_network", Result: result("model"), Stage: true,
		Doc: "A network that the script has written: a fn(x: image, box: mask) -> logits. The image has three channels, 0 … 255, the box is 1 inside the prompt. Layers whose name begins with decoder are the group decoder, all others the group encoder; adaptable(x) marks places for experts.",
		Params: []Param{need("body", "network", "the fn"), p("image", "number<px>", "128 px", "side of the input").within(16, 2048),
			p("weights", "file", "", "weights to start from: safetensors, .pth or npz"),
			p("seed", "int", "0", "seed of the initialisation").atLeast(0)},
		Example: "custom_network(linear_mask, image: 64 px)", Frame: "fn linear_mask(x: image, box: mask) -> logits = sum(linear(concat(x / 255, box), 1), over: channel)"})
}
