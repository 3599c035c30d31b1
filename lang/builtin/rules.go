package builtin

func init() {
	registerWords(Words{Name: "precision", Doc: "type in which products are computed", Items: []string{"f32", "bf16", "f16"},
		Docs: []string{"single precision", "half precision with the range of f32; needs no loss scaling", "half precision up to 65504; the loss is scaled so that gradients stay within"}})
	registerWords(Words{Name: "undecayed", Doc: "parameters that weight decay leaves alone", Items: []string{"norm", "bias"},
		Docs: []string{"weight and bias of norms", "biases of all other layers"}})

	sgd := []Param{need("rate", "number", "learning rate").above(0).atMost(1e6),
		p("momentum", "number", "0.99", "share of the last direction that is kept").within(0, 0.999999),
		p("nesterov", "bool", "true", "look ahead along the direction (Nesterov); momentum must be above 0"),
		p("weight_decay", "number", "3e-5", "added to the gradient, times the weight").atLeast(0),
		p("schedule", "schedule", "constant", "learning rate over time")}
	register(Builtin{Name: "sgd", Result: result("optimizer"),
		Doc:     "Stochastic gradient descent with momentum, equal to PyTorch's; the defaults are nnU-Net's, which uses the rate 0.01 and the schedule poly.",
		Params:  append(sgd, groupParams()...),
		Example: "sgd(0.01, schedule: poly)"})

	register(Builtin{Name: "step_decay", Result: result("schedule"),
		Doc: "rate × factor^⌊time / every⌋ (PyTorch's StepLR). It does not depend on the number of epochs, so a training can be prolonged.",
		Params: []Param{need("every", "number<epochs> | number<steps>", "time between two falls").above(0),
			p("factor", "number", "0.1", "what the rate is multiplied by at each").within(0, 1).above(0)},
		Example: "step_decay(every: 10 epochs, factor: 0.1)"})

	register(Builtin{Name: "patience", Result: result("stop"),
		Doc: "Ends a training when the validation, by Dice or by what keep: best(…) names, has not become better for a number of epochs. The history says after which epoch.",
		Params: []Param{need("epochs", "number<epochs>", "epochs without a gain after which to stop, a whole number").within(1, 1e6),
			p("least", "number", "0", "change from the last gain that counts as a gain").atLeast(0)},
		Example: "patience(10 epochs)"})
}

// groupParams are the optional parameters of an optimiser that make its groups of parameters.
func groupParams() []Param {
	return []Param{
		p("rates", "map<number>", "", "factors on the learning rate by part of the model, { encoder: 0.1 }: encoder, experts, prompt, decoder, and all for what no other entry names; 1 without an entry"),
		p("no_decay", "list<word<undecayed>>", "", "parameters without weight decay: [norm, bias]"),
	}
}

// ruleParams are the optional parameters of a training. None has a default, so that a script that does not name them keeps its identity.
func ruleParams() []Param {
	return []Param{
		p("accumulate", "int", "", "batches to a step: their gradients are added up, weighted by their samples, as if they were one batch (but for dropout, and for the balance loss of a top gate, which is that of each batch); a step is one change of the weights everywhere").within(1, 65536),
		p("clip", "number", "", "largest Euclidean norm of the gradient of all weights together; a larger one is scaled down to it").above(0),
		p("ema", "number", "", "keeps a moving average of the weights, average ← ema × average + (1 − ema) × weights after every step, from the first weights on; the average is validated and is the result").within(0, 0.9999999).above(0),
		p("stop", "stop", "", "when to end the training early; needs validate"),
		p("sampling", "sampling", "", "what of a sample a step sees: patches(…) for samples larger than the network, or of different sizes; the whole when absent"),
		p("precision", "word<precision>", "", "type in which matrix products and convolutions of the training steps are computed, f32 when absent; weights, norms, softmax, losses and sums stay f32, and so do validation and evaluation; bf16 and f16 need the backend xla"),
		p("recompute", "bool", "", "saves memory: activations inside the blocks of an encoder are computed again for the gradient instead of kept; the results are the same, a step takes one forward pass of the blocks longer, and small batches gain nothing"),
	}
}
