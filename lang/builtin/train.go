package builtin

func init() {
	training := func(epochs, rate string) []Param {
		return []Param{
			piped("model", "model", "model to start from"),
			need("data", "data", "prepared training samples"),
			p("validate", "data", "", "prepared samples for choosing the checkpoint; no patient of the training data may be among them"),
			p("loss", "loss", "best_of_masks(dice + bce) + quality", "what is minimised; MedSegX leaves quality out"),
			p("prompt", "prompt", "box(jitter: 0 px .. 19 px)", "what is shown of the mask that is looked for"),
			p("optimizer", "optimizer", "adamw("+rate+")", "how weights are changed"),
			p("epochs", "int | number<epochs>", epochs, "passes over the data").within(1, 1e6),
			p("batch", "int | word<batch size>", "16", "samples a batch, which is a step unless accumulate is given; planned: as many as nnunet decided on").within(1, 65536),
			p("seed", "int", "0", "root of the seeds of shuffles, jitter, dropout and augmentation").atLeast(0),
			p("keep", "keep", "best(dice)", "which checkpoint is the result: best needs validate, else the last is kept"),
			p("augment", "augment", "none", "random changes of the training samples"),
		}
	}
	register(Builtin{Name: "train", Result: result("model"), Stage: true,
		Doc:     "Trains a model. Deterministic on one backend: the same script gives the same weights.",
		Params:  append(training("30", "1e-3"), ruleParams()...),
		Example: "sam_tiny(image: 64 px) |> train(samples) { epochs: 5 }", Frame: samples})
	ft := training("30", "5e-5")
	ft = append(ft, p("rate", "number", "", "shorthand for optimizer: adamw(rate)").above(0).atMost(1e6))
	ft = append(ft, ruleParams()...)
	register(Builtin{Name: "finetune", Result: result("model"), Stage: true,
		Doc:     "Goes on training a trained model on other or fewer data.",
		Params:  ft,
		Example: "sam_tiny(image: 64 px) |> finetune(samples |> take(25 %), epochs: 3, rate: 5e-5)", Frame: samples})

	register(Builtin{Name: "dice", Result: result("loss"),
		Doc: "Dice loss of the probabilities with squared denominators, smoothed by 1e-5 (MONAI's squared_pred).", Example: "dice"})
	register(Builtin{Name: "batch_dice", Result: result("loss"),
		Doc: "Dice loss of a whole batch as if it were one image, with plain denominators, smoothed by 1e-5 (nnU-Net's for 2-D networks, plus 1). For batches in which samples have no target, as patches may; with accumulate it is that of each batch.", Example: "batch_dice"})
	register(Builtin{Name: "bce", Result: result("loss"),
		Doc: "Mean binary cross-entropy of the logits.", Example: "bce"})
	register(Builtin{Name: "best_of_masks", Result: result("loss"),
		Doc:     "Of the masks a model proposes, only the one with the smallest loss counts, for each sample on its own. A loss outside it is that of the first mask.",
		Params:  []Param{need("loss", "loss", "loss of a single mask")},
		Example: "best_of_masks(dice + bce)"})
	register(Builtin{Name: "quality", Result: result("loss"),
		Doc:     "Squared error of the predicted IoU of every mask (SAM's quality head). Without it the head is not trained, and choosing a mask by it means nothing.",
		Example: "best_of_masks(dice + bce) + quality"})
	register(Builtin{Name: "adamw", Result: result("optimizer"),
		Doc: "AdamW (Loshchilov and Hutter 2019), equal to PyTorch's.",
		Params: append([]Param{need("rate", "number", "learning rate").above(0).atMost(1e6),
			p("weight_decay", "number", "0.01", "decoupled decay").atLeast(0),
			p("beta1", "number", "0.9", "decay of the first moment").within(0, 0.999999),
			p("beta2", "number", "0.999", "decay of the second moment").within(0, 0.9999999),
			p("epsilon", "number", "1e-8", "added to the root of the second moment").above(0),
			p("schedule", "schedule", "constant", "learning rate over time")}, groupParams()...),
		Example: "adamw(1e-3, weight_decay: 0.01)"})
	register(Builtin{Name: "constant", Result: result("schedule"), Doc: "The learning rate never changes.", Example: "constant"})
	register(Builtin{Name: "warmup_cosine", Result: result("schedule"),
		Doc: "Linear warm-up, then half a cosine down to the floor at the last step.",
		Params: []Param{p("warmup", "number<epochs> | number<steps>", "0 epochs", "length of the warm-up").atLeast(0),
			p("floor", "number", "0", "last learning rate").atLeast(0)},
		Example: "warmup_cosine(5 epochs, floor: 1e-6)"})
	register(Builtin{Name: "poly", Result: result("schedule"),
		Doc:     "rate × (1 − step / steps)^power (nnU-Net's schedule).",
		Params:  []Param{p("power", "number", "0.9", "exponent").above(0)},
		Example: "poly(0.9)"})
	register(Builtin{Name: "best", Result: result("keep"),
		Doc:     "The checkpoint with the best validation result: the mean over the validation data, masks being compared at the size in which the network sees them.",
		Params:  []Param{p("metric", "word<validation metric> | metric", "dice", "what is compared: any metric of evaluations of which one side is better, such as hd95(mm), or one's own")},
		Example: "best(dice)"})
	registerWords(Words{Name: "validation metric", Doc: "measured after every epoch", Items: []string{"dice"}})
	register(Builtin{Name: "last", Result: result("keep"), Doc: "The checkpoint of the last epoch.", Example: "last"})
	register(Builtin{Name: "none", Result: result("augment"), Doc: "No augmentation.", Example: "none"})
	register(Builtin{Name: "augment", Result: result("augment"),
		Doc: "Random changes of image and mask, drawn anew each epoch from the training seed.",
		Params: []Param{
			p("flip", "bool", "true", "mirror left-right and up-down, each with probability 1/2"),
			p("rotate", "number<deg>", "0 deg", "largest rotation either way").within(0, 180),
			p("scale", "number<%>", "0 %", "largest change of size either way").within(0, 90),
			p("intensity", "number<%>", "0 %", "largest change of gain, offset and gamma either way").within(0, 90),
			p("noise", "number<%>", "0 %", "largest standard deviation of added noise, of the full range").within(0, 100),
			p("blur", "number<px>", "", "largest standard deviation of a Gaussian blur").within(0, 64),
			p("probability", "number<%>", "", "with which each change but flip is made to a sample, each by itself; to every sample when absent").within(1, 100),
		},
		Example: "augment(rotate: 15 deg, scale: 10 %, intensity: 20 %)"})
}
