// Package faults holds the catalogue of docs/reliability.md to the tests that it names. It has no code of its own.
package faults
