// Package plot draws the figures of a segmentation report: charts as SVG text
// and masks over image slices as PNG.
//
// It is given numbers and names, and promises drawings that need nothing but
// themselves: no fonts, scripts, styles or files from elsewhere. Text and axes
// take the colour of the page around them (currentColor), and the series colours
// have enough contrast on white and on black, so one drawing serves light and
// dark pages and paper. Series differ in shape as well as in colour.
//
// Equal input gives equal bytes. Missing values (NaN, Inf) leave a gap, never a
// zero; a chart without any drawable value says so in words.
//
// Contours follow pixel geometry: the outline of a mask runs along the sides of
// its pixels, the reference just inside the boundary and the prediction just
// outside, so that two equal masks show two lines side by side and a difference
// of one pixel is seen as one pixel.
package plot
