package image

import "fmt"

// DType is the stored type of one sample, in numpy's short form without a byte order.
type DType string

// The sample types that can be held. Bool is one byte, 0 or 1.
const (
	Bool    DType = "b1"
	Uint8   DType = "u1"
	Int8    DType = "i1"
	Uint16  DType = "u2"
	Int16   DType = "i2"
	Uint32  DType = "u4"
	Int32   DType = "i4"
	Uint64  DType = "u8"
	Int64   DType = "i8"
	Float16 DType = "f2"
	Float32 DType = "f4"
	Float64 DType = "f8"
)

var dtypes = map[DType]struct {
	size int
	name string
}{
	Bool: {1, "bool"}, Uint8: {1, "uint8"}, Int8: {1, "int8"}, Uint16: {2, "uint16"}, Int16: {2, "int16"},
	Uint32: {4, "uint32"}, Int32: {4, "int32"}, Uint64: {8, "uint64"}, Int64: {8, "int64"},
	Float16: {2, "float16"}, Float32: {4, "float32"}, Float64: {8, "float64"},
}

// Size is the number of bytes of one sample, 0 for a type that is not known.
func (d DType) Size() int { return dtypes[d].size }

// Name is the long name, such as "int16".
func (d DType) Name() string {
	if t, ok := dtypes[d]; ok {
		return t.name
	}
	return fmt.Sprintf("unknown type %q", string(d))
}

// IsInteger tells whether every value of the type is a whole number; bool counts.
func (d DType) IsInteger() bool { return d.Size() > 0 && d[0] != 'f' }

// Number is a Go type whose values can be held in an Image or an Array.
type Number interface {
	uint8 | int8 | uint16 | int16 | uint32 | int32 | uint64 | int64 | float32 | float64
}

func dtypeOf[T Number]() DType {
	var zero T
	switch any(zero).(type) {
	case uint8:
		return Uint8
	case int8:
		return Int8
	case uint16:
		return Uint16
	case int16:
		return Int16
	case uint32:
		return Uint32
	case int32:
		return Int32
	case uint64:
		return Uint64
	case int64:
		return Int64
	case float32:
		return Float32
	default:
		return Float64
	}
}
