package sam

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// padToWindows extends a token grid to the right and below, so that both sides
// are multiples of window. Every added token is the vector pad.
//
// x: (B,H,W,D), pad: (D). Returns (B,H',W',D).
func padToWindows(x, pad *gx.Node, window int) *gx.Node {
	b, h, w, d := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3)
	right, below := missing(w, window), missing(h, window)
	pad = gx.Reshape(pad, 1, 1, 1, d)
	if right > 0 {
		x = gx.Concatenate([]*gx.Node{x, gx.BroadcastToDims(pad, b, h, right, d)}, 2)
	}
	if below > 0 {
		x = gx.Concatenate([]*gx.Node{x, gx.BroadcastToDims(pad, b, below, w+right, d)}, 1)
	}
	return x
}

// missing is the number of tokens that n lacks to be a multiple of window.
func missing(n, window int) int { return (window - n%window) % window }

// splitWindows cuts a grid into windows that do not overlap, row by row.
//
// x: (B,H,W,D), H and W multiples of size. Returns (B·H/size·W/size,size,size,D).
func splitWindows(x *gx.Node, size int) *gx.Node {
	b, h, w, d := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3)
	if h == size && w == size {
		return x
	}
	x = gx.Reshape(x, b, h/size, size, w/size, size, d)
	x = gx.TransposeAllAxes(x, 0, 1, 3, 2, 4, 5)
	return gx.Reshape(x, b*(h/size)*(w/size), size, size, d)
}

// joinWindows undoes splitWindows on a padded grid and drops the pads.
//
// x: (B·n,size,size,D). Returns (B,h,w,D).
func joinWindows(x *gx.Node, batch, h, w int) *gx.Node {
	size, d := x.Shape().Dim(1), x.Shape().Dim(3)
	rows, cols := (h+size-1)/size, (w+size-1)/size
	if rows > 1 || cols > 1 {
		x = gx.Reshape(x, batch, rows, cols, size, size, d)
		x = gx.TransposeAllAxes(x, 0, 1, 3, 2, 4, 5)
		x = gx.Reshape(x, batch, rows*size, cols*size, d)
	}
	if rows*size == h && cols*size == w {
		return x
	}
	return gx.Slice(x, gx.AxisRange(), gx.AxisRange(0, h), gx.AxisRange(0, w), gx.AxisRange())
}

// relativePositions turns a table of offsets into one row for each pair of
// query coordinate i and key coordinate j on an axis of length size: entry
// (i,j) is row i-j+size-1.
//
// table: (2·size-1,d). Returns (size,size,d).
func relativePositions(table *gx.Node, size int) *gx.Node {
	rows := make([]int32, 0, size*size)
	for i := range size {
		for j := range size {
			rows = append(rows, int32(i-j+size-1))
		}
	}
	at := gx.Reshape(gx.Const(table.Graph(), rows), size*size, 1)
	return gx.Reshape(gx.Gather(table, at), size, size, table.Shape().Dim(1))
}

// attendWithPositions is softmax(scale·q·k + q·Rh + q·Rw) · v on a square of
// size×size tokens. The two position terms use q before it is scaled.
//
// Since the terms depend on the key's row and on the key's column only, they
// are written as further coordinates of the query that meet one-hot
// coordinates of the key:
//
//	[scale·q, q·Rh, q·Rw] · [k, onehot(row), onehot(column)]
//
// which is one matrix product instead of three and two broadcast sums over all
// pairs of tokens.
//
// q, k, v: (N,S²,d); rh, rw: (S,S,d). Returns (N,S²,d).
func attendWithPositions(q, k, v, rh, rw *gx.Node) *gx.Node {
	n, tokens, d := q.Shape().Dim(0), q.Shape().Dim(1), q.Shape().Dim(2)
	size := rh.Shape().Dim(0)

	grid := gx.Reshape(q, n, size, size, d)
	alongRows := graph.Einsum("nhwd,hkd->nhwk", grid, rh) // (N,S,S,S)
	alongCols := graph.Einsum("nhwd,wkd->nhwk", grid, rw) // (N,S,S,S)

	query := gx.Concatenate([]*gx.Node{
		gx.MulScalar(q, 1/math.Sqrt(float64(d))),
		gx.Reshape(alongRows, n, tokens, size),
		gx.Reshape(alongCols, n, tokens, size),
	}, -1) // (N,S²,d+2S)
	key := gx.Concatenate([]*gx.Node{
		k,
		gx.BroadcastToDims(gx.InsertAxes(coordinates(q, size), 0), n, tokens, 2*size),
	}, -1) // (N,S²,d+2S)

	weights := gx.Softmax(graph.Einsum("nqd,nkd->nqk", query, key), -1)
	return graph.Einsum("nqk,nkd->nqd", weights, v)
}

// coordinates marks the row and the column of each token of a square:
// (S²,2S), the first S columns for the row, the others for the column.
func coordinates(like *gx.Node, size int) *gx.Node {
	at := gx.Iota(like.Graph(), shapes.Make(dtypes.Int32, size*size), 0)
	side := gx.Scalar(like.Graph(), dtypes.Int32, size)
	row := gx.Div(at, side)
	column := gx.Sub(at, gx.Mul(row, side))
	return gx.Concatenate([]*gx.Node{
		gx.OneHot(row, size, like.DType()),
		gx.OneHot(column, size, like.DType()),
	}, -1)
}
