// Package pack compresses big sparse files, such as the RAM of a guest, with zstd, and gives them back.
//
// A packed file is an ordinary zstd file: any zstd tool gives the same bytes. What makes it quick here is that it consists
// of frames of 4 MiB each that do not depend on each other, so that all CPUs work on it:
//
//	skippable frame 13     "stackemu" and the size of the content, so that no truncation goes unnoticed
//	frame, frame, …        4 MiB of content each, the last one less; with size and checksum
//	skippable frame 14     the table of the zstd seekable format, for tools that read single frames
//
// Holes are packed as the zeros that they read as, which takes some hundred bytes for 4 MiB, and zeros become holes again.
// Other zstd files are unpacked as well, frames of up to 8 MiB in parallel and larger ones as a stream.
//
// Nothing is published that is not whole: results are written under a temporary name beside their own, synced, and renamed.
// Memory stays below some 16 MiB for each CPU. Every function ends soon after its context.
package pack
