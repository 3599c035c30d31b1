package builtin

func init() {
	register(Builtin{Name: "box", Result: result("prompt"),
		Doc:     "A box around the mask; each side is moved outwards by a random number of pixels of the prepared image.",
		Params:  []Param{p("jitter", "range<px>", "0 px .. 0 px", "least and largest shift of a side").within(0, 1024)},
		Example: "box(jitter: 0 px .. 19 px)"})
	registerWords(Words{Name: "place of a point", Doc: "where the first point lies", Items: []string{"random", "centre"},
		Docs: []string{"anywhere inside, as the others", "as far inside as it goes"}})
	register(Builtin{Name: "points", Result: result("prompt"),
		Doc: "Points inside and outside of the mask, drawn anew each epoch of a training and by the seed of an evaluation; instead of a box or, with one, beside it. For sam, sam_med2d and sam_vit_b, l, h; sam_tiny needs a box too, and medsam knows boxes only.",
		Params: []Param{
			p("positive", "int", "1", "points inside the mask").within(0, 64),
			p("negative", "int", "0", "points outside of it").within(0, 64),
			p("at", "word<place of a point>", "random", "where the first point inside lies"),
			p("with", "prompt", "", "a box that is shown too"),
		},
		Example: "points(2, negative: 1, with: box())"})
	register(Builtin{Name: "mask", Result: result("prompt"),
		Doc: "A mask that is to be improved, on the grid of a network's mask prompts (four times its tokens): what other evals predicted for the same samples, or the reference mask made worse. Changes are drawn anew each epoch of a training and by the seed of an evaluation. For networks that take points; sam_tiny needs a box too.",
		Params: []Param{
			p("of", "eval | list<eval>", "", "evals whose predictions are shown; without them the reference mask is"),
			p("grow", "range<px>", "0 px .. 0 px", "least and largest growth by the windows of dilate and erode; below 0 px it shrinks").within(-256, 256),
			p("shift", "range<px>", "0 px .. 0 px", "least and largest shift, in any direction").within(0, 1024),
			p("coarse", "number<px>", "", "side of squares that belong to the mask as a whole or not at all, as most of their pixels do").within(2, 256),
			p("clicks", "int", "0", "points where the mask that is shown is wrong, as refine puts them").within(0, 16),
			p("at", "word<place of a point>", "random", "where the first click lies: centre is farthest inside of the mistakes of one kind"),
			p("with", "prompt", "", "a box or points that are shown too"),
		},
		Example: "mask(grow: -3 px .. 3 px, shift: 0 px .. 5 px, with: box())"})
	register(Builtin{Name: "refine", Result: result("prompt"),
		Doc: "Answers again in rounds, as SAM is used: each round adds clicks where the answer is wrong, positive ones on what was missed and negative ones on what was wrongly found, and shows the logits of the answer before it as a mask prompt. An answer without mistakes stays. For evaluations of networks that take points.",
		Params: []Param{
			piped("prompt", "prompt", "what the first answer is given"),
			p("rounds", "int", "3", "answers after the first").within(0, 16),
			p("clicks", "int", "1", "points that each round adds").within(1, 16),
			p("at", "word<place of a point>", "centre", "where the first click of a round lies: centre is farthest inside of the mistakes of one kind"),
		},
		Example: "box() |> refine(rounds: 3)"})
}
