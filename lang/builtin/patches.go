package builtin

// Parts of images, for networks that see less than a whole sample.
func init() {
	registerWords(Words{Name: "blending", Doc: "weight of a pixel in a window", Items: []string{"gaussian", "constant"},
		Docs: []string{"a Gaussian around the middle of the window with a deviation of an eighth of its side: the middle has seen most around it", "the same everywhere"}})
	register(Builtin{Name: "patches", Result: result("sampling"),
		Doc: "A part of the sample, of the size of the network, at a place that is drawn anew each epoch: uniform, or around a pixel of the mask (nnU-Net's oversampling of the foreground). What lies outside of the sample has the sample's mean. The network must show no prompt: nnunet, residual_unet or vit with box: false. U-Nets standardise by mean and deviation of the whole sample, as nnU-Net standardises images before it cuts them, and augment turns and enlarges a patch within its sample. " +
			"Validation measures whole samples, as evaluate does with inference: sliding().",
		Params:  []Param{p("foreground", "number<%>", "33 %", "share of the patches that lie around a pixel of the mask").within(0, 100)},
		Example: "patches(foreground: 33 %)"})
	register(Builtin{Name: "sliding", Result: result("inference"),
		Doc: "The network is moved over the whole sample in steps that are equal and leave no gap, and its answers are averaged where windows overlap, before they are cut at 0 (nnU-Net's sliding window). What lies outside of the sample has the sample's mean, and U-Nets standardise by the whole sample. For networks without a prompt: nnunet, residual_unet or vit with box: false.",
		Params: []Param{
			p("overlap", "number<%>", "50 %", "least share of a window that the next one covers again").within(0, 95),
			p("blend", "word<blending>", "gaussian", "weight of a pixel in a window"),
			p("mirror", "bool", "false", "average over the four mirrored forms of each window too, as nnU-Net does; takes four times as long"),
		},
		Example: "sliding(overlap: 50 %, mirror: true)"})
}
