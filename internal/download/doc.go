// Package download fetches one large file over HTTP into a partial file, so that nothing of it is fetched twice, and takes a
// file out of a zip archive.
//
// [Fetch] promises:
//
//   - What it returns without an error has the size and the digest that were asked for. The digest is made while the bytes
//     arrive, in their order, from what has just been written, or from the file where they came out of turn.
//   - Where the server gives ranges, several connections fetch chunks if one is slow; where it does not,
//     or gives wrong ones, one connection fetches the whole.
//   - After an interruption, a kill or a power cut the next Fetch with the same identity goes on from the last checkpoint:
//     a chunk counts only after it was synced to the disk. A file that has changed on the server since (If-Range, ETag, size)
//     starts over.
//   - A connection that delivers next to nothing is given up and its rest is asked for again. What can go away by itself
//     (cut connections, 5xx, 429 with Retry-After) is tried again with growing pauses; progress makes them short again.
//   - It sends no credentials to anybody. Proxies are those of the environment (HTTPS_PROXY, NO_PROXY), and so are the
//     certificates (SSL_CERT_FILE). A redirect never leads from https to http.
//   - It never holds more of the file in memory than a few buffers.
//
// The caller sees to it that only one Fetch at a time works on a partial file ([Lock]), and gives the file its name
// ([Publish]).
package download
