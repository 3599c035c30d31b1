package executable

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// writtenWith is what a plugin writes: a program, and the options that it was compiled with.
func writtenWith(debug []byte) []byte {
	build := message(nil, buildDebug, debug)
	build = protowire.AppendVarint(protowire.AppendTag(build, 4, protowire.VarintType), 1) // one replica
	return message(message(nil, 1, []byte("machine code")), writtenOptions, message(nil, compileBuild, build))
}

func TestOwnOptionsAreFound(t *testing.T) {
	debug := protowire.AppendVarint(protowire.AppendTag(nil, 31, protowire.VarintType), 3) // optimisation level
	got, err := ownOptions(writtenWith(debug))
	if err != nil || !bytes.Equal(got, debug) {
		t.Errorf("found % x, %v, want % x", got, err, debug)
	}
	whole := writtenWith(debug)
	for what, bad := range map[string][]byte{
		"nothing":         nil,
		"another message": message(nil, 1, []byte("machine code")),
		"the end missing": whole[:len(whole)-3],
		"no message":      []byte("\xff\xff\xff"),
	} {
		if got, err := ownOptions(bad); err == nil {
			t.Errorf("%s: found % x", what, got)
		}
	}
}

// What is appended has all of the plugin's options, and then ours: of two values of a field the last holds.
func TestOptionsAreAppendedToThePlugins(t *testing.T) {
	own := protowire.AppendVarint(protowire.AppendTag(make([]byte, 0, 100), debugParts, protowire.VarintType), 32)
	o := Options{Extra: []string{"first", "second"}, Parts: 2}
	debug := member(member(o.appended(own), compileBuild), buildDebug)
	rest, ok := bytes.CutPrefix(debug, own)
	if !ok {
		t.Fatalf("% x does not begin with the plugin's options", debug)
	}
	var extra []string
	parts := uint64(0)
	for len(rest) > 0 {
		n, kind, head := protowire.ConsumeTag(rest)
		size := protowire.ConsumeFieldValue(n, kind, rest[head:])
		if head < 0 || size < 0 {
			t.Fatalf("% x is no message", rest)
		}
		switch value := rest[head : head+size]; n {
		case debugParts:
			parts, _ = protowire.ConsumeVarint(value)
		case debugExtra:
			entry, _ := protowire.ConsumeBytes(value)
			extra = append(extra, string(member(entry, mapKey))+"="+string(member(entry, mapValue)))
		default:
			t.Errorf("field %d was not asked for", n)
		}
		rest = rest[head+size:]
	}
	if parts != 2 || len(extra) != 2 || extra[0] != "first=true" || extra[1] != "second=true" {
		t.Errorf("%d parts, %q", parts, extra)
	}
	if own[:cap(own)][len(own)] != 0 {
		t.Error("programs that are compiled at once would write into the same memory")
	}
}

func TestChoicesAreToldApart(t *testing.T) {
	names := map[string]bool{}
	for _, o := range []Options{{}, {Extra: []string{"a"}}, {Extra: []string{"a", "b"}}, {Parts: 2}, {Extra: []string{"a"}, Parts: 2}, {Extra: []string{"a"}, Parts: 4}} {
		if names[o.String()] {
			t.Errorf("%q stands for two choices", o)
		}
		names[o.String()] = true
	}
	if s := (Options{}).String(); s != "" {
		t.Errorf("no options are called %q", s)
	}
}
