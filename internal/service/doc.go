// Package service has an instance started with the user's session, by what the system has for that: a systemd user unit on Linux,
// a launch agent on macOS.
//
// Installing and removing are idempotent: what is as it should be stays. They return what they have done, in words; when they fail
// half-way, doing it again is safe.
package service
