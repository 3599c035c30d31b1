// Package image reads and writes the files that medical images come in, without trusting them.
//
// It is given a path. It promises one of two things: the values that the file's own standard says are there, with the
// geometry that places them in the patient, or an error that names the file and the cause. It never repairs in silence:
// what it tolerates is written into Image.Warnings.
//
//   - NIfTI-1 and NIfTI-2 (.nii, .nii.gz, .hdr/.img), both byte orders, every real sample type
//   - NRRD (.nrrd, and .nhdr with its data file), raw, gzip, bzip2, ascii and hex
//   - MetaImage (.mha, .mhd), raw, zlib and ascii
//   - PNG, 1 to 16 bits, grey, indexed and colour
//   - numpy (.npy, .npz), versions 1 to 3
//
// An Image keeps its samples in the type they were stored in, with the file's slope and intercept beside them, so an
// integer label stays an integer and nothing is rounded twice. The first index is the fastest in memory: Shape[0] runs
// along the stored rows, as NIfTI, NRRD and MetaImage all have it. Colour channels are whole planes, one after the other.
//
// Affine maps a voxel index (i, j, k) to millimetres in the patient, axes right, anterior, superior (RAS), whichever
// convention the file was written in. Where a file gives no orientation, HasGeometry is false and the affine is only a
// scale; where it gives no spacing either, HasSpacing is false and the unit is a pixel.
//
// Sizes are checked before memory is taken. A plain file must hold as many bytes as its header asks for; a compressed one
// cannot inflate by more than deflate's limit of about 1032:1, and is read in growing pieces, so a short file with a
// header that asks for terabytes costs nothing. Headers of numpy files are parsed as data, never evaluated, and pickled
// objects are refused.
package image
