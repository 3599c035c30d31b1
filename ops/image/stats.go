package image

import (
	"math"
	"math/big"
	"math/bits"
)

// Stats sums up the values of all channels. NaN and infinities are counted and left out of the rest.
type Stats struct {
	Count          int // finite values
	NaN, Inf       int
	Min, Max, Mean float64
	Sum            float64
	// IntegerSum is the exact sum where the stored type is integer and no scale applies, else nil.
	IntegerSum *big.Int
}

// Stats goes once through the values.
func (m *Image) Stats() Stats {
	st := Stats{Min: math.Inf(1), Max: math.Inf(-1)}
	var low float64 // compensation of the sum (Neumaier)
	m.blocks(func(_ int, v []float64) {
		for _, x := range v {
			if math.IsNaN(x) {
				st.NaN++
				continue
			}
			if math.IsInf(x, 0) {
				st.Inf++
				continue
			}
			st.Count++
			st.Min, st.Max = min(st.Min, x), max(st.Max, x)
			t := st.Sum + x
			if math.Abs(st.Sum) >= math.Abs(x) {
				low += (st.Sum - t) + x
			} else {
				low += (x - t) + st.Sum
			}
			st.Sum = t
		}
	})
	st.Sum += low
	if st.Count == 0 {
		st.Min, st.Max, st.Mean = math.NaN(), math.NaN(), math.NaN()
		return st
	}
	if m.DType.IsInteger() && !m.scaled() {
		st.IntegerSum = m.integerSum()
		st.Sum, _ = new(big.Float).SetInt(st.IntegerSum).Float64()
	}
	st.Mean = st.Sum / float64(st.Count)
	return st
}

// integerSum adds in 128 bits, which no image that fits in memory can overflow.
func (m *Image) integerSum() *big.Int {
	s := m.samples()
	total := new(big.Int)
	if m.DType == Uint64 {
		var hi, lo, carry uint64
		for i := 0; i < len(s.b); i += 8 {
			lo, carry = bits.Add64(lo, le.Uint64(s.b[i:]), 0)
			hi += carry
		}
		return total.Add(total.Lsh(new(big.Int).SetUint64(hi), 64), new(big.Int).SetUint64(lo))
	}
	var buf [1024]int64
	for from := 0; from < s.len(); from += len(buf) {
		v := buf[:min(len(buf), s.len()-from)]
		convertRange(s, from, v)
		var high, low int64 // the sum of 1024 numbers of 63 bits, in two halves
		for _, x := range v {
			high += x >> 32
			low += x & 0xffffffff
		}
		part := big.NewInt(high)
		total.Add(total, part.Lsh(part, 32).Add(part, big.NewInt(low)))
	}
	return total
}
