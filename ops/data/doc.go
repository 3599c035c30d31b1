// Package data turns folders of scans and masks into the samples that training and evaluation see.
//
// It is given files as researchers have them: volumes beside label maps, or the published folder contract of MedSegDB. It
// promises that what goes on is what the script describes, or says why not:
//
//   - Volumes and MedSegDB index a folder into cases, in an order that depends on names alone.
//   - CheckHeaders compares shapes and placement reading headers only; CheckVoxels reads the masks and demands that every
//     label value is in the table. Neither repairs anything.
//   - Prepare applies a list of declared steps (window or percentile, crop, slices, resize) and gives one binary sample for
//     each slice and label value. The steps are stored with the result, because they are part of the model.
//   - SplitByPatient never puts one patient on two sides, CheckDisjoint proves it, Take draws nested fractions.
//   - Phantoms makes a labelled set without any download; Get fetches a named public one and verifies every byte.
//
// Everything random draws from a seed and a purpose, so the same script gives the same samples on every machine.
package data
