//go:build linux

package c // want: package c has no package comment
