// Package a is commented in its test only.
package a
