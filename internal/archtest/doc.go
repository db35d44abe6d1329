// Package archtest keeps the house in order: its tests read the source tree and fail where a file breaks a rule of the
// architecture (docs/architecture.md). It has nothing to import.
//
//   - Imports point one way: cmd -> actors -> messages and the plain libraries, which know neither actors nor messages.
//   - Only commands (package main) end the process or read its arguments.
//   - No code but tests sleeps, and actors do nothing that blocks their mailbox or races in protoactor-go.
//   - Every package has a package comment.
//   - No file names a package registry's host or a path that exists on one machine only.
//
// Each rule is a function from a tree to what breaks it. TestRulesCanFail proves with the small bad trees in testdata
// that none of them is blind: there a comment `want: text` at the end of a line is a breach that must be found.
package archtest
