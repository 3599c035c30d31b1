package graph

import "unsafe"

// bytesOf views numbers as the bytes they occupy, in the machine's order.
func bytesOf[T float32 | float64 | int32](data []T) []byte {
	if len(data) == 0 {
		return nil
	}
	var one T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), len(data)*int(unsafe.Sizeof(one)))
}
