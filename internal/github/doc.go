// Package github asks GitHub for what images are made of: releases and their assets, pull requests, workflow runs and their
// artifacts.
//
// It promises:
//
//   - The token goes to the API's own host and to no other: redirects to object stores are not followed, but given to the
//     caller as links ([Client.AssetURL], [Client.ArtifactURL]). It never travels without encryption, except to this machine,
//     and stands in no error.
//   - Every error is an [*Error] that says what was asked for, what the answer was, and what to do about it.
//   - What can go away by itself (5xx, broken connections, a Retry-After of a minute or less) is tried again with growing
//     pauses. A rate limit is not waited for: the error says when it ends.
//
// Proxies and certificates are those of the environment (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE).
package github
