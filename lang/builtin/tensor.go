package builtin

// What the bodies of tensor fns are made of. Their types are found by the checker (lang/check/tensor.go) and their graphs by the engine (interp/engine/primitives.go); a test
// demands both for every entry. Examples stand in the body of `fn example(x: features, y: features) -> tensor`.
func init() {
	registerWords(Words{Name: "tensor axis", Doc: "an axis of a tensor", Items: []string{"height", "width", "channel"}})
	x := piped("x", "tensor", "tensor")
	op := func(name, doc, example string, params ...Param) {
		register(Builtin{Name: name, Result: result("tensor"), Doc: doc, Params: params, Example: example})
	}

	op("abs", "|x|, for each element.", "abs(x - y)", x)
	op("exp", "e to the power x, for each element.", "exp(x)", x)
	op("log", "Natural logarithm, for each element; -infinity at 0 and not a number below: keep x above 0.", "log(maximum(x, 1e-6))", x)
	op("sqrt", "Square root, for each element. Its gradient at 0 is infinite.", "sqrt(x * x + 1e-6)", x)
	op("sigmoid", "1 / (1 + exp(-x)), for each element.", "sigmoid(x)", x)
	op("tanh", "Hyperbolic tangent, for each element.", "tanh(x)", x)
	op("relu", "max(x, 0), for each element; the gradient at 0 is 0.", "relu(x)", x)
	op("gelu", "x·Φ(x) with the exact normal distribution, for each element.", "gelu(x)", x)
	op("softplus", "log(1 + exp(x)) without overflow, for each element: softplus(-z) is the cross-entropy of a logit z with truth 1.", "softplus(x)", x)
	op("pow", "x to the power of the exponent, for each element. Below 0 only whole exponents have a value.", "pow(1 - sigmoid(x), 2)", x, need("exponent", "tensor", "the exponent"))
	op("maximum", "The larger of two, for each element; of equal ones the first has the gradient.", "maximum(x, 0)", piped("a", "tensor", "one"), need("b", "tensor", "the other"))
	op("minimum", "The smaller of two, for each element; of equal ones the first has the gradient.", "minimum(x, y)", piped("a", "tensor", "one"), need("b", "tensor", "the other"))
	op("clip", "Limits each element to a range; outside it the gradient is 0.", "clip(x, 0 .. 1)", x, need("range", "range", "the least and the largest value"))
	op("where", "a where the condition is not 0, b elsewhere. Comparisons are 1 where they hold and 0 elsewhere.", "where(x > y, x, y)",
		need("condition", "tensor", "a comparison, or a mask"), need("a", "tensor", "where the condition holds"), need("b", "tensor", "elsewhere"))
	op("stop_gradient", "x itself, but a constant for the gradient.", "x - stop_gradient(x)", x)

	over := p("over", "word<tensor axis> | list<word<tensor axis>>", "", "axes that are reduced; all of them when absent")
	op("sum", "Sum over axes, which vanish.", "sum(x * y)", x, over)
	op("mean", "Mean over axes, which vanish.", "mean(x, over: channel)", x, over)
	op("max", "Largest element over axes, which vanish; each of several equal ones has the whole gradient.", "max(x, over: [height, width])", x, over)
	op("min", "Smallest element over axes, which vanish; each of several equal ones has the whole gradient.", "min(x)", x, over)
	op("softmax", "exp(x) / sum(exp(x)) along an axis.", "softmax(x, over: channel)", x, p("over", "word<tensor axis>", "channel", "the axis along which the sum is 1"))

	size := need("size", "number<px>", "side of the window, an odd number").within(1, 2047)
	op("average", "Mean of the window around each pixel; pixels outside count as 0.", "average(x, 31 px)", x, size)
	op("dilate", "Largest value of the window around each pixel: a mask grown by half the window. Equal ones leave the gradient to one of them.", "dilate(x, 3 px) - x", x, size)
	op("erode", "Smallest value of the window around each pixel: a mask shrunk by half the window, from outside the image too.", "x - erode(x, 3 px)", x, size)
	op("shift", "Moves the contents down and right; what comes in is 0.", "abs(x - shift(x, 1 px, 0 px))", x,
		need("down", "number<px>", "rows; negative: up").within(-2047, 2047), p("right", "number<px>", "0 px", "columns; negative: left").within(-2047, 2047))
	op("convolve", "Slides a fixed kernel over every channel (a cross-correlation, as everywhere in deep learning); pixels outside count as 0.", "convolve(x, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])", x,
		need("kernel", "list<list<number>>", "rows of the kernel, an odd number of odd length"))
	op("resize", "Scales height and width, bilinear with PyTorch's align_corners=False. The factor is a whole number or one over a whole number that divides both.", "resize(x, 0.5)", x,
		need("factor", "number", "new length / old length").within(1.0/64, 64))
	op("distance", "Distance of each pixel to the nearest pixel above 0.5, in pixels, exact (Euclidean); the diagonal of the image where there is none. A constant for the gradient.", "mean(sigmoid(x) * distance(max(y, over: channel)))", x)
	op("rows", "Number of the row of each pixel, from 0.", "x * rows(x)", x)
	op("columns", "Number of the column of each pixel, from 0.", "x * columns(x)", x)

	channels := need("channels", "int", "channels of the result").within(1, 65536)
	name := p("name", "string", "", "name of its weights; tells layers apart: two that are equal otherwise are one layer with one set of weights")
	layer := func(name, doc, example string, params ...Param) {
		register(Builtin{Name: name, Result: result("tensor"), Doc: doc + " Has weights of its own, so it stands only in blocks and networks.", Params: params, Example: example, Learned: true})
	}
	layer("linear", "A product with a matrix along the channels (torch.nn.Linear).", "linear(x, 16)", x, channels, p("bias", "bool", "true", "adds a constant to each channel"), name)
	layer("conv", "A convolution over height and width (torch.nn.Conv2d with padding size/2): as many pixels as before, divided by the stride.", "conv(x, 16, size: 3 px)", x, channels, p("size", "number<px>", "3 px", "side of the kernel, an odd number").within(1, 31),
		p("stride", "int", "1", "step of the kernel; height and width are divided by it").within(1, 16), p("bias", "bool", "true", "adds a constant to each channel"), name)
	layer("layer_norm", "Normalises the channels of each pixel to mean 0 and variance 1, then scales and shifts them (torch.nn.LayerNorm).", "layer_norm(x)", x, p("epsilon", "number", "1e-6", "added to the variance").above(0), name)
	op("instance_norm", "Each channel of each sample to mean 0 and variance 1 over its pixels (torch.nn.InstanceNorm2d without weights).", "instance_norm(x)", x, p("epsilon", "number", "1e-5", "added to the variance").above(0))
	op("max_pool", "Largest of each 2×2 pixels: half the height and width.", "max_pool(x)", x)
	op("concat", "The channels of a, then those of b; a plane counts as one channel.", "concat(x, rows(y) * columns(y) / 100)", piped("a", "tensor", "first channels"), need("b", "tensor", "further channels"))
	op("adaptable", "A place for experts in a custom_network: x itself, and with adapt(…) what a mixture or route makes of it. Places are numbered from 0, the one computed first having 0.", "adaptable(x)", x)
	op("dropout", "In training, sets a share of the elements to 0 and enlarges the others; nothing otherwise. Only in blocks and networks.", "dropout(x, 10 %)", x, need("share", "number<%>", "share set to 0").within(0, 99), name)
}
