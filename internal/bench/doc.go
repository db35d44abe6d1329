// Package bench measures how fast instances start, next to what the same machine could do at best, in one run and on one
// image. What each row means and how to read the table is in docs/performance.md.
//
// It promises:
//
//   - It works in a folder of its own beside the image, with snapshots of its own: nothing of the user's is read but the
//     image, and nothing but that folder is written.
//   - At the end, and when its context is cancelled, no process that it has started is left, and no file.
//   - A row that cannot be measured says why, and the others are measured nevertheless.
//
// What runs the whole program runs it as a process of its own, from before exec, because that is what a user waits for.
package bench
