'use strict';
// By which names the servers answer. A port of the loopback is not reachable from elsewhere, but a browser of the machine is
// on the inside: a web page may have its own name lead to 127.0.0.1 (DNS rebinding), and would then be taken for a page
// of the server that answers there. Such a request still carries the page's name in its Host header.

const net = require('node:net');

// localhost is not asked of DNS, and nobody on the Internet can own a name below "internal".
const LOCAL = /^(?:localhost|.+\.localhost|host\.docker\.internal)$/;

const PUBLIC_URL = /^NEXT_PUBLIC_(?:\w+_)?STACK_(?:API|DASHBOARD)_URL$/;

/** Returns the names that the stack's public URLs have in an environment. */
function publicNames(env) {
  return new Set(Object.keys(env).filter((name) => PUBLIC_URL.test(name) && URL.canParse(env[name]))
    .map((name) => new URL(env[name]).hostname));
}

/** Says whether a Host header names this stack. An address cannot be made to lead elsewhere, so any is good. */
function isOwnName(host, names) {
  const [, name] = /^(.*?)(?::\d{1,5})?$/.exec((host ?? '').toLowerCase());
  return net.isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0 || LOCAL.test(name) || names.has(name);
}

/** Wraps the handler of a server: requests for foreign names are refused. */
function onlyOwnNames(env, handler) {
  const names = publicNames(env);
  return (request, response) => {
    if (isOwnName(request.headers.host, names)) {
      handler(request, response);
      return;
    }
    const body = 'Requests for this host name are not answered: ask for localhost, or for an address.\n';
    response.writeHead(403, {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      connection: 'close', // a body that may follow is not worth reading
    });
    response.end(body);
  };
}

module.exports = { isOwnName, onlyOwnNames, publicNames };
