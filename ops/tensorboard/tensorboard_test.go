package tensorboard

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// The masked checksum of CRC-32C's check value: 0xe3069283 rotated right by 15
// is 0x2507c60d, and the offset makes it 0xc78ab0e5.
func TestChecksum(t *testing.T) {
	if got := checksum([]byte("123456789")); got != 0xc78ab0e5 {
		t.Errorf("the masked checksum is %#x, want 0xc78ab0e5", got)
	}
}

// A message written out by hand from the definition of tensorflow.Event.
func TestMessage(t *testing.T) {
	dir := t.TempDir()
	at := time.Unix(1700000000, 500000000)
	w, err := create(dir, 3, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(300, Scalar{"a/b", 0.5}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "events.out.tfevents.1700000000.mseg.0"))
	if err != nil {
		t.Fatal(err)
	}
	const time = "0900002040fc54d941" // field 1, double 1700000000.5
	want := []string{
		time + "1a0d" + hex.EncodeToString([]byte("brain.Event:2")), // field 3, text
		time + "1003" + "3a02" + "0801",                             // step 3; field 7: SessionLog{status: START}
		time + "10ac02" + "2a0c" + "0a0a" + "0a03" + hex.EncodeToString([]byte("a/b")) + "15" + "0000003f",
	}
	var got []string
	for len(b) > 0 {
		n := binary.LittleEndian.Uint64(b)
		if binary.LittleEndian.Uint32(b[8:]) != checksum(b[:8]) {
			t.Fatal("the checksum of a length is wrong")
		}
		message := b[12 : 12+n]
		if binary.LittleEndian.Uint32(b[12+n:]) != checksum(message) {
			t.Fatal("the checksum of a message is wrong")
		}
		got = append(got, hex.EncodeToString(message))
		b = b[16+n:]
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("messages\n%q, want\n%q", got, want)
	}
	if v := math.Float64frombits(0x41d954fc40200000); v != 1700000000.5 {
		t.Errorf("the time written out by hand is %f", v)
	}
}

func TestFilesOfOneSecondDoNotMeet(t *testing.T) {
	dir := t.TempDir()
	clock := func() time.Time { return time.Unix(1, 0) }
	for range 3 {
		w, err := create(dir, 0, clock)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*tfevents*")); err != nil || len(files) != 3 {
		t.Errorf("3 runs left %v", files)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(filepath.Join(file, "logs"), 0); err == nil {
		t.Error("a folder within a file was made")
	}
}
