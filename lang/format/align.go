package format

import "unicode/utf8"

// alignCells stretches neighbouring lines of one shape, in the same brackets, so that their values and equals signs stand under each other.
func alignCells(b *rendered) {
	same := func(i, j int) bool {
		return b.rows[i].shape == b.rows[j].shape && b.lines[i].indent == b.lines[j].indent && !b.lines[j].blank
	}
	for i := 0; i < len(b.rows); {
		end := i + 1
		for b.rows[i].shape != "" && end < len(b.rows) && same(i, end) {
			end++
		}
		if end-i > 1 {
			alignRun(b.rows[i:end])
		}
		i = end
	}
}

func alignRun(rows []row) {
	for c := range len(rows[0].shape) {
		from := func(r *row) int {
			if c == 0 {
				return 0
			}
			return r.cuts[c-1]
		}
		widest := 0
		for i := range rows {
			widest = max(widest, utf8.RuneCountInString(rows[i].text[from(&rows[i]):rows[i].cuts[c]]))
		}
		for i := range rows {
			rows[i].pad[c] = widest - utf8.RuneCountInString(rows[i].text[from(&rows[i]):rows[i].cuts[c]])
		}
	}
}

// alignComments puts the comments behind code of neighbouring lines under each other.
func alignComments(b *rendered) {
	behind := func(i int) bool { return b.lines[i].comment != "" && len(b.lines[i].tokens) > 0 }
	for i := 0; i < len(b.rows); {
		end := i
		widest := 0
		for end < len(b.rows) && behind(end) && (end == i || !b.lines[end].blank) {
			widest = max(widest, b.width(end))
			end++
		}
		for ; i < end; i++ {
			b.rows[i].gap = widest - b.width(i) + 2
		}
		i = max(i, end)
		if i < len(b.rows) && !behind(i) {
			i++
		}
	}
}
