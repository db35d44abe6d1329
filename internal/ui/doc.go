// Package ui serves a page on which a person sees how all instances are, and starts and stops them.
//
// It reads what other commands read, too: control sockets, logs and the message log. What it does to an instance is done by who
// calls the package. What it promises:
//
//   - It listens on 127.0.0.1 only, and answers who calls it by that name or localhost, with the right port: a name that was
//     made to lead here (DNS rebinding) is refused.
//   - The page itself is no secret. Everything else needs the token of this run, in a header: no other page can make a browser
//     send that, and no cookie is set that other servers on this machine would be shown.
//   - A request that comes from another page is refused, whatever it carries.
//   - The page runs nothing but its own files and talks to nobody but this server: its Content-Security-Policy says so.
//   - A page that is left alone costs nothing once it is closed, and holds nobody up.
package ui
