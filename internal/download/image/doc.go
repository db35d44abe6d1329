// Package image brings an image to where instances look for it: from a GitHub release, from the artifact of a workflow run, or
// from a file.
//
// [Puller.Pull] promises:
//
//   - The image that was there stays until the new one is whole, checked and synced, and takes its name in one step. Instances
//     that run on the old one keep it.
//   - Only one process at a time writes an image. A second one waits, says so, and finds it up to date.
//   - What is published has the digest that GitHub announced, and a header in which QEMU finds no other file to open: no
//     backing file, no external data file.
//   - What is there already is not fetched again, unless that is asked for.
//   - Snapshots of the image that was replaced are removed when nobody uses them.
//
// It can be used without actors.
package image
