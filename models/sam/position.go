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

// splitWindows cuts a grid into windows of h×w tokens that do not overlap, row
// by row.
//
// x: (B,H,W,D), H and W multiples of h and w. Returns (B·H/h·W/w,h,w,D).
func splitWindows(x *gx.Node, h, w int) *gx.Node {
	b, rows, cols, d := x.Shape().Dim(0), x.Shape().Dim(1)/h, x.Shape().Dim(2)/w, x.Shape().Dim(3)
	if cols == 1 {
		return gx.Reshape(x, b*rows, h, w, d)
	}
	x = gx.TransposeAllAxes(gx.Reshape(x, b, rows, h, cols, w, d), 0, 1, 3, 2, 4, 5)
	return gx.Reshape(x, b*rows*cols, h, w, d)
}

// joinWindows undoes splitWindows.
//
// x: (B·n,h,w,D). Returns (B,H,W,D).
func joinWindows(x *gx.Node, batch, height, width int) *gx.Node {
	h, w, d := x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3)
	rows, cols := height/h, width/w
	if cols > 1 {
		x = gx.TransposeAllAxes(gx.Reshape(x, batch, rows, cols, h, w, d), 0, 1, 3, 2, 4, 5)
	}
	return gx.Reshape(x, batch, height, width, d)
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

// attendWithPositions is softmax(scale·q·k + q·Rh + q·Rw) · v, where the keys
// are a square of S×S tokens and the queries its upper left h×w. The two
// position terms use q before it is scaled.
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
// q: (N,hw,d); k, v: (N,S²,d); rh: (h,S,d); rw: (w,S,d). Returns (N,hw,d).
func attendWithPositions(q, k, v, rh, rw *gx.Node) *gx.Node {
	size := rh.Shape().Dim(1)
	logits := positionedLogits(q, k, alongRows(q, rh, rw), alongColumns(q, rh, rw), size, size)
	return graph.Einsum("nqk,nkd->nqd", gx.Softmax(logits, -1), v)
}

// foldedPads is attendWithPositions where the keys beyond the first h rows and
// w columns are pads, all with the same key and value. A softmax over many
// equal values is one over a single one that weighs as much as all of them:
// pads become one key with the logit
//
//	scale·q·k_pad + log Σ_pads exp(q·Rh[row] + q·Rw[column])
//
// and since pads are all rows from h on, and in the rows before them the
// columns from w on, the sum over them is a sum of two products of sums over
// rows and over columns.
//
// In exact arithmetic nothing changes; in float32 the result of a whole encoder
// differs by some 1e-5 of its largest value. So it is for inference.
//
// q, k, v: (N,hw,d); pad: (2,N,1,d) key and value; rh: (h,S,d); rw: (w,S,d).
func foldedPads(q, k, v, pad, rh, rw *gx.Node) *gx.Node {
	n, tokens, d := q.Shape().Dim(0), q.Shape().Dim(1), q.Shape().Dim(2)
	h, w, size := rh.Shape().Dim(0), rw.Shape().Dim(0), rh.Shape().Dim(1)
	rows, cols := alongRows(q, rh, rw), alongColumns(q, rh, rw) // (N,hw,S)
	cut := func(x *gx.Node, from, to int) *gx.Node { return gx.SliceAxis(x, 2, gx.AxisRange(from, to)) }
	logits := positionedLogits(q, k, cut(rows, 0, h), cut(cols, 0, w), h, w) // (N,hw,hw)

	highest := func(x *gx.Node) *gx.Node { return gx.StopGradient(gx.ReduceAndKeep(x, gx.ReduceMax, -1)) }
	total := func(x *gx.Node) *gx.Node { return gx.ReduceAndKeep(x, gx.ReduceSum, -1) }
	highRow, highCol := highest(rows), highest(cols) // (N,hw,1)
	er, ec := gx.Exp(gx.Sub(rows, highRow)), gx.Exp(gx.Sub(cols, highCol))
	var sum *gx.Node
	if h < size {
		sum = gx.Mul(total(cut(er, h, size)), total(ec))
	}
	if w < size {
		beside := gx.Mul(total(cut(er, 0, h)), total(cut(ec, w, size)))
		if sum == nil {
			sum = beside
		} else {
			sum = gx.Add(sum, beside)
		}
	}
	key, value := partOf(pad, 0), partOf(pad, 1) // (N,1,d)
	padLogit := gx.MulScalar(graph.Einsum("nqd,nkd->nqk", q, key), 1/math.Sqrt(float64(d)))
	padLogit = gx.Add(padLogit, gx.Add(gx.Log(sum), gx.Add(highRow, highCol))) // (N,hw,1)

	weights := gx.Softmax(gx.Concatenate([]*gx.Node{logits, padLogit}, -1), -1) // (N,hw,hw+1)
	y := graph.Einsum("nqk,nkd->nqd", weights, gx.Concatenate([]*gx.Node{v, value}, 1))
	return gx.Reshape(y, n, tokens, d)
}

// alongRows is q·Rh for every row of keys: (N,hw,S).
func alongRows(q, rh, rw *gx.Node) *gx.Node {
	n, h, w, d := q.Shape().Dim(0), rh.Shape().Dim(0), rw.Shape().Dim(0), q.Shape().Dim(2)
	return gx.Reshape(graph.Einsum("nhwd,hkd->nhwk", gx.Reshape(q, n, h, w, d), rh), n, h*w, -1)
}

// alongColumns is q·Rw for every column of keys: (N,hw,S).
func alongColumns(q, rh, rw *gx.Node) *gx.Node {
	n, h, w, d := q.Shape().Dim(0), rh.Shape().Dim(0), rw.Shape().Dim(0), q.Shape().Dim(2)
	return gx.Reshape(graph.Einsum("nhwd,wkd->nhwk", gx.Reshape(q, n, h, w, d), rw), n, h*w, -1)
}

// positionedLogits is scale·q·k + rows + columns for keys on a grid of kh×kw.
//
// q: (N,T,d); k: (N,kh·kw,d); rows: (N,T,kh); cols: (N,T,kw). Returns
// (N,T,kh·kw).
func positionedLogits(q, k, rows, cols *gx.Node, kh, kw int) *gx.Node {
	n, d := q.Shape().Dim(0), q.Shape().Dim(2)
	query := gx.Concatenate([]*gx.Node{gx.MulScalar(q, 1/math.Sqrt(float64(d))), rows, cols}, -1)
	marks := gx.BroadcastToDims(gx.InsertAxes(coordinates(q, kh, kw), 0), n, kh*kw, kh+kw)
	key := gx.Concatenate([]*gx.Node{k, marks}, -1)
	return graph.Einsum("nqd,nkd->nqk", query, key)
}

// coordinates marks the row and the column of each token of a grid:
// (h·w,h+w), the first h columns for the row, the others for the column.
func coordinates(like *gx.Node, h, w int) *gx.Node {
	at := gx.Iota(like.Graph(), shapes.Make(dtypes.Int32, h*w), 0)
	side := gx.Scalar(like.Graph(), dtypes.Int32, w)
	row := gx.Div(at, side)
	column := gx.Sub(at, gx.Mul(row, side))
	return gx.Concatenate([]*gx.Node{
		gx.OneHot(row, h, like.DType()),
		gx.OneHot(column, w, like.DType()),
	}, -1)
}
