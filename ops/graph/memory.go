package graph

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	gx "github.com/gomlx/gomlx/core/graph"
)

// MemoryError says that a program needs more memory than there is. It is
// returned before anything is allocated where the need is plain from the
// graph, and afterwards where the backend asked for memory in vain.
type MemoryError struct {
	Needed int64 // bytes; at least so many, or those of the one request that failed; 0: not known
	Free   int64 // bytes; 0: not known
	cause  error
}

func (e *MemoryError) Error() string {
	var s strings.Builder
	s.WriteString("out of memory")
	if e.Needed > 0 {
		fmt.Fprintf(&s, ": %s are needed", Bytes(e.Needed))
	}
	if e.Free > 0 {
		fmt.Fprintf(&s, ", %s are free", Bytes(e.Free))
	}
	return s.String()
}

func (e *MemoryError) Unwrap() error { return e.cause }

// Bytes writes a number of bytes for people: 3.2 GiB.
func Bytes(n int64) string {
	v, unit := float64(n), "bytes"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, u
	}
	if unit == "bytes" {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

// FreeMemory is the memory that processes of this machine or container may
// still ask for, in bytes; 0 if it cannot be found out.
func FreeMemory() int64 { return freeMemory() }

// freeMemory is replaced by tests.
var freeMemory = func() int64 { return freeIn("/proc/meminfo", "/sys/fs/cgroup") }

// freeIn reads what the kernel says of the machine and, in a container, of its
// group: of the group's limit what is in use is taken away, but for files that
// are kept in memory and can be dropped.
func freeIn(meminfo, group string) int64 {
	free := numbered(meminfo, "MemAvailable:") << 10
	limit := numbered(filepath.Join(group, "memory.max"), "")
	if free == 0 || limit == 0 {
		return free
	}
	used := numbered(filepath.Join(group, "memory.current"), "") - numbered(filepath.Join(group, "memory.stat"), "inactive_file")
	return min(free, max(1, limit-max(0, used)))
}

// numbered is the number behind a name in a file of the kernel's, or the one
// that the file holds where the name is empty; 0 if there is none.
func numbered(path, name string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if name != "" && len(f) > 0 && f[0] == name {
			f = f[1:]
		} else if name != "" {
			continue
		}
		if len(f) > 0 {
			n, _ := strconv.ParseInt(f[0], 10, 64) // "max" is no limit
			return n
		}
	}
	return 0
}

// onHost says whether programs of the backend live in the memory of the host.
func (b *Backend) onHost() bool {
	return b.kind == "go" || cpuPlugin(b.facts.Plugin)
}

// fits returns a MemoryError if so many bytes are plainly not to be had.
func (b *Backend) fits(needed int64) error {
	if !b.onHost() {
		return nil
	}
	return FitsHost(needed)
}

// FitsHost returns a MemoryError if the host has not so many bytes.
func FitsHost(needed int64) error {
	if free := freeMemory(); free > 0 && needed > free {
		return &MemoryError{Needed: needed, Free: free}
	}
	return nil
}

// shortage turns a backend's complaint about memory into a MemoryError and
// leaves other errors as they are.
func (b *Backend) shortage(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if !strings.Contains(text, "Out of memory") && !strings.Contains(text, "RESOURCE_EXHAUSTED") && !strings.Contains(text, "out of memory") {
		return err
	}
	var known *MemoryError
	if errors.As(err, &known) {
		return err
	}
	m := &MemoryError{cause: err}
	if found := asked.FindStringSubmatch(text); found != nil {
		if n, e := strconv.ParseInt(found[1], 10, 64); e == nil {
			m.Needed = n
		}
	}
	if b.onHost() {
		m.Free = freeMemory()
	}
	return m
}

var asked = regexp.MustCompile(`allocat\w* (\d+) bytes`)

// need is a lower estimate of the bytes that a graph holds at the worst moment
// when its nodes are computed one after the other in the order given. On the
// interpreter every node has a place of its own. XLA fuses most of what lies
// between products, so there only products count, each until the last of those
// that are fused behind it is done.
func need(nodes []*Node, interpreted bool, outputs []*Node) int64 {
	at := make(map[*Node]int, len(nodes))
	for i, n := range nodes {
		at[n] = i
	}
	last := make([]int, len(nodes)) // place of the last node that reads this one; -1: nobody
	for i := range last {
		last[i] = -1
	}
	for _, n := range outputs {
		last[at[n]] = len(nodes)
	}
	held := func(n *Node) bool {
		switch n.Type() {
		case gx.NodeTypeParameter, gx.NodeTypeDotGeneral, gx.NodeTypeConvGeneral:
			return true
		}
		return interpreted && n.NumOutputs() == 1
	}
	for i := len(nodes) - 1; i >= 0; i-- {
		if last[i] < 0 {
			continue // not reached by the outputs
		}
		until := i
		if !held(nodes[i]) {
			until = max(i, last[i])
		}
		for _, in := range nodes[i].Inputs() {
			if k, ok := at[in]; ok {
				last[k] = max(last[k], until)
			}
		}
	}
	ends := make([][]int, len(nodes)+1)
	now, worst := int64(0), int64(0)
	for i, n := range nodes {
		if last[i] >= 0 && held(n) {
			if n.Type() == gx.NodeTypeParameter {
				last[i] = len(nodes) // the caller's
			}
			now += bytesIn(n)
			worst = max(worst, now)
			ends[last[i]] = append(ends[last[i]], i)
		}
		for _, k := range ends[i] {
			now -= bytesIn(nodes[k])
		}
	}
	return worst
}

// byDistance is the order in which the interpreter runs a graph by default:
// nodes with the longest way to an output first, and of those with equal ways the
// one that was made first. Nodes that no output needs are left out.
func byDistance(nodes, outputs []*Node) []*Node {
	at := make(map[*Node]int, len(nodes))
	for i, n := range nodes {
		at[n] = i
	}
	way := make([]int, len(nodes))
	for i := range way {
		way[i] = -1
	}
	for _, n := range outputs {
		way[at[n]] = 0
	}
	for i := len(nodes) - 1; i >= 0; i-- {
		if way[i] < 0 {
			continue
		}
		for _, in := range nodes[i].Inputs() {
			way[at[in]] = max(way[at[in]], way[i]+1)
		}
	}
	var out []*Node
	for i, n := range nodes {
		if way[i] >= 0 {
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b *Node) int { return way[at[b]] - way[at[a]] })
	return out
}

// bytesIn is the size of a node's value; it does not overflow.
func bytesIn(n *Node) int64 {
	size := float64(n.DType().Size())
	for _, d := range n.Shape().Dimensions {
		size *= float64(d)
	}
	return int64(min(size, math.MaxInt64/4))
}

func (x *code) memory() int64 {
	if x == nil {
		return 0
	}
	return x.need
}
