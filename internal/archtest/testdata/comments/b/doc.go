// Package b has its comment in another file.
package b
