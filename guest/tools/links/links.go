// Package links names the commands of stackguest that the guest calls by their own names: each is a symbolic link to the
// binary, beside it. It is apart from the commands because the image builder needs only the names, on any system.
package links

// All are fixed by the guest contract (design.md).
var All = []string{"render-stack-env", "run-stack-container", "wait-for-stack-ready", "mount-host-fs",
	"trigger-fast-rotate", "rotate-secrets", "post-resume"}
