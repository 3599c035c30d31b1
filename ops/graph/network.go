package graph

// Inputs is one batch as a segmentation network sees it. S is the side of the
// square image in pixels, B the batch size. For networks whose images need not be
// square (S,S) stands for (H,W).
type Inputs struct {
	Image    *Node // (B,S,S,3), values 0..255
	Box      *Node // (B,4) box prompt x0,y0,x1,y1 in pixels of the image
	Modality *Node // (B) int32, row of the modality table
	Organ    *Node // (B,4) int32: level 1, level 2, level 3 of the taxonomy, row of the task

	// Whole are mean and standard deviation of each colour of the sample that
	// Image is a part of; nil where Image is the whole sample. A network that
	// standardises the image by what it holds takes these numbers for it, so that
	// a place has the same values in every part that shows it.
	Whole *Node // (B,2,3)

	// Points are prompts beside the box or, where Box is nil, instead of it;
	// nil: there are none. Only promptable networks look at them.
	Points *Node // (B,N,2) x,y in pixels of the image
	Labels *Node // (B,N) int32: 1 belongs to the target, 0 does not, -1 is no point

	// Mask is a mask prompt, logits of an answer that is to be improved; nil:
	// there is none. Networks that take one say how large it is.
	Mask *Node // (B,s,s,1)
}

// Outputs is what a segmentation network answers.
type Outputs struct {
	Masks *Node   // (B,M,S,S) logits of M candidate masks
	IoU   *Node   // (B,M) predicted quality of each mask; nil if the network predicts none
	Gates []*Node // per block the expert weights (B,experts); may be empty
	// Deep are logits of the same masks at lower resolutions (B,M,h,w), the finest first, for deep supervision; only training looks at them.
	Deep []*Node
	// Low are logits of the same masks (B,M,s,s) on the grid of Inputs.Mask, so that an answer can be a prompt; nil if the network takes no mask prompts.
	Low *Node
}

// Network builds a segmentation network.
type Network func(s *Scope, in Inputs) Outputs
