package pth

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

// What a pickle may cost. A state dict takes some thirty values a tensor, so
// these leave room for a hundred thousand tensors.
const (
	maxPickle   = 64 << 20 // bytes
	maxValues   = 8 << 20  // values put on the stack
	maxStack    = 1 << 20  // values on the stack at one time
	maxLong     = 1 << 12  // bytes of one integer
	maxLine     = 1 << 12  // bytes of a name
	maxProtocol = 5
)

// Opcodes of the pickle machine, protocols 2 to 5 as torch writes them.
const (
	opMark, opStop, opPop, opPopMark, opDup             = '(', '.', '0', '1', '2'
	opNone, opTrue, opFalse                             = 'N', 0x88, 0x89
	opInt4, opInt1, opInt2, opLong1, opLong4, opFloat   = 'J', 'K', 'M', 0x8a, 0x8b, 'G'
	opText4, opText1, opText8                           = 'X', 0x8c, 0x8d
	opString4, opString1                                = 'T', 'U'
	opBytes4, opBytes1, opBytes8, opByteArray           = 'B', 'C', 0x8e, 0x96
	opEmptyList, opAppend, opAppends, opList            = ']', 'a', 'e', 'l'
	opEmptyTuple, opTuple, opTuple1, opTuple2, opTuple3 = ')', 't', 0x85, 0x86, 0x87
	opEmptyDict, opDict, opSetItem, opSetItems          = '}', 'd', 's', 'u'
	opEmptySet, opAddItems, opFrozenSet                 = 0x8f, 0x90, 0x91
	opPut1, opPut4, opMemoize, opGet1, opGet4           = 'q', 'r', 0x94, 'h', 'j'
	opGlobal, opStackGlobal, opReduce, opBuild          = 'c', 0x93, 'R', 'b'
	opNewObject, opNewObjectKeywords, opPersistent      = 0x81, 0x92, 'Q'
	opProto, opFrame                                    = 0x80, 0x95
)

// source hands out a pickle's bytes and knows how many are left, so that no
// length is believed that the file cannot fulfil.
type source struct {
	r        *bufio.Reader
	at, left int64
}

func newSource(r io.Reader, size int64) *source {
	return &source{r: bufio.NewReader(r), left: size}
}

var errCut = errors.New("the pickle ends before its STOP; the file is cut off")

func (s *source) byte() (byte, error) {
	if s.left == 0 {
		return 0, errCut
	}
	b, err := s.r.ReadByte()
	if err != nil {
		return 0, fmt.Errorf("reading the pickle: %w", err)
	}
	s.at++
	s.left--
	return b, nil
}

func (s *source) take(n uint64) ([]byte, error) {
	if n > uint64(s.left) {
		return nil, fmt.Errorf("at byte %d of the pickle a value claims %d bytes, %d are left", s.at, n, s.left)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s.r, b); err != nil {
		return nil, fmt.Errorf("reading the pickle: %w", err)
	}
	s.at += int64(n)
	s.left -= int64(n)
	return b, nil
}

// number reads an unsigned integer of 1, 2, 4 or 8 bytes.
func (s *source) number(width uint64) (uint64, error) {
	b, err := s.take(width)
	if err != nil {
		return 0, err
	}
	var word [8]byte
	copy(word[:], b)
	return binary.LittleEndian.Uint64(word[:]), nil
}

func (s *source) line() (string, error) {
	var b strings.Builder
	for b.Len() < maxLine {
		c, err := s.byte()
		if err != nil {
			return "", err
		}
		if c == '\n' {
			return b.String(), nil
		}
		b.WriteByte(c)
	}
	return "", fmt.Errorf("a name in the pickle has more than %d bytes", maxLine)
}

// machine runs one pickle: a stack, marks in it, and a memo of values that are
// used again.
type machine struct {
	in      *source
	storage func(id tuple) (*storage, error) // makes what a persistent id stands for
	stack   []any
	marks   []int
	memo    map[uint64]any
	pushed  int
}

// run reads the source up to and including STOP and returns the value.
func (m *machine) run() (any, error) {
	start := m.in.at
	m.memo = map[uint64]any{}
	for {
		op, err := m.in.byte()
		if err != nil {
			return nil, err
		}
		if m.in.at-start > maxPickle {
			return nil, fmt.Errorf("its pickle is longer than %d MiB; files of weights have small ones", maxPickle>>20)
		}
		if op == opStop {
			return m.pop()
		}
		if err := m.step(op); err != nil {
			return nil, err
		}
	}
}

var errValues = errors.New("its pickle makes more values than a file of weights has")

func (m *machine) push(v any) error {
	m.pushed++
	if m.pushed > maxValues || len(m.stack) >= maxStack {
		return errValues
	}
	m.stack = append(m.stack, v)
	return nil
}

// floor is the height below which the values belong to an outer mark.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

var errStack = errors.New("its pickle takes a value from an empty stack; the file is damaged")

func (m *machine) pop() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errStack
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errStack
	}
	return m.stack[len(m.stack)-1], nil
}

// toMark takes the values above the last mark, and the mark.
func (m *machine) toMark() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, errors.New("its pickle looks for a mark that is not there; the file is damaged")
	}
	at := m.floor()
	items := append([]any{}, m.stack[at:]...)
	m.stack, m.marks = m.stack[:at], m.marks[:len(m.marks)-1]
	return items, nil
}

// last takes n values, in the order in which they were pushed.
func (m *machine) last(n int) ([]any, error) {
	at := len(m.stack) - n
	if at < m.floor() {
		return nil, errStack
	}
	items := append([]any{}, m.stack[at:]...)
	m.stack = m.stack[:at]
	return items, nil
}

func (m *machine) put(slot uint64) error {
	v, err := m.top()
	if err == nil {
		m.memo[slot] = v
	}
	return err
}

func (m *machine) get(slot uint64) error {
	v, ok := m.memo[slot]
	if !ok {
		return fmt.Errorf("its pickle uses memo %d, which was never written; the file is damaged", slot)
	}
	return m.push(v)
}

// step carries out one opcode.
func (m *machine) step(op byte) error {
	switch op {
	case opProto:
		v, err := m.in.byte()
		if err == nil && v > maxProtocol {
			err = fmt.Errorf("pickle protocol %d is not known; save it with protocol 2, torch's default", v)
		}
		return err
	case opFrame:
		_, err := m.in.take(8)
		return err
	case opMark:
		if len(m.marks) >= maxStack {
			return errValues
		}
		m.marks = append(m.marks, len(m.stack))
		return nil
	case opPop:
		if len(m.marks) > 0 && len(m.stack) == m.floor() { // as in Python, this pops the mark
			m.marks = m.marks[:len(m.marks)-1]
			return nil
		}
		_, err := m.pop()
		return err
	case opPopMark:
		_, err := m.toMark()
		return err
	case opDup:
		return m.then(m.top())
	case opNone:
		return m.push(nil)
	case opTrue, opFalse:
		return m.push(op == opTrue)
	case opPut1, opPut4, opGet1, opGet4:
		width := uint64(1)
		if op == opPut4 || op == opGet4 {
			width = 4
		}
		slot, err := m.in.number(width)
		if err != nil {
			return err
		}
		if op == opPut1 || op == opPut4 {
			return m.put(slot)
		}
		return m.get(slot)
	case opMemoize:
		return m.put(uint64(len(m.memo)))
	case opEmptyTuple, opTuple, opTuple1, opTuple2, opTuple3, opEmptyList, opList, opEmptySet, opFrozenSet, opEmptyDict, opDict,
		opAppend, opAppends, opAddItems, opSetItem, opSetItems:
		return m.container(op)
	case opGlobal, opStackGlobal, opReduce, opBuild, opNewObject, opNewObjectKeywords, opPersistent:
		return m.object(op)
	}
	return m.then(m.scalar(op))
}

// then pushes a value that could be had.
func (m *machine) then(v any, err error) error {
	if err != nil {
		return err
	}
	return m.push(v)
}

// scalar reads a number or a text that follows its opcode.
func (m *machine) scalar(op byte) (any, error) {
	switch op {
	case opInt1, opInt2, opInt4:
		width := map[byte]uint64{opInt1: 1, opInt2: 2, opInt4: 4}[op]
		v, err := m.in.number(width)
		if op == opInt4 {
			return int64(int32(v)), err
		}
		return int64(v), err
	case opFloat:
		b, err := m.in.take(8)
		if err != nil {
			return nil, err
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case opLong1, opLong4:
		b, err := m.counted(map[byte]uint64{opLong1: 1, opLong4: 4}[op], maxLong)
		if err != nil {
			return nil, err
		}
		return long(b), nil
	case opText1, opText4, opText8:
		b, err := m.counted(map[byte]uint64{opText1: 1, opText4: 4, opText8: 8}[op], maxPickle)
		if err == nil && !utf8.Valid(b) {
			err = errors.New("a text in its pickle is not UTF-8; the file is damaged")
		}
		return string(b), err
	case opString1, opString4: // Python 2
		b, err := m.counted(map[byte]uint64{opString1: 1, opString4: 4}[op], maxPickle)
		return latin1(b), err
	case opBytes1, opBytes4, opBytes8, opByteArray:
		return m.counted(map[byte]uint64{opBytes1: 1, opBytes4: 4, opBytes8: 8, opByteArray: 8}[op], maxPickle)
	}
	return nil, fmt.Errorf("its pickle has the opcode %#02x at byte %d, which files of weights do not use", op, m.in.at-1)
}

// counted reads a length and as many bytes.
func (m *machine) counted(width, limit uint64) ([]byte, error) {
	n, err := m.in.number(width)
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("at byte %d of the pickle a value claims %d bytes; at most %d are read", m.in.at, n, limit)
	}
	return m.in.take(n)
}

// long is a two's complement integer, least byte first.
func long(b []byte) any {
	if len(b) <= 8 {
		var word [8]byte
		if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
			word = [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		}
		copy(word[:], b)
		return int64(binary.LittleEndian.Uint64(word[:]))
	}
	reversed := make([]byte, len(b))
	for i, x := range b {
		reversed[len(b)-1-i] = x
	}
	v := new(big.Int).SetBytes(reversed)
	if reversed[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	if v.IsInt64() {
		return v.Int64()
	}
	return v
}

func latin1(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}
