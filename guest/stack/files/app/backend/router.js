'use strict';
// Routing, bodies, errors and CORS of the JSON API.

const MAX_BODY = 64 * 1024; // bytes

/** An error that the caller may see. */
class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

class Router {
  constructor() {
    this.routes = [];
  }

  /** Adds a handler for a method and a path; ":name" in the path matches one segment. */
  on(method, path, handler) {
    const names = [];
    const pattern = path.replace(/:(\w+)/g, (_, name) => {
      names.push(name);
      return '([^/]+)';
    });
    this.routes.push({ method, names, pattern: new RegExp(`^${pattern}$`), handler });
  }

  async handle(request, response) {
    try {
      setCors(request, response);
      if (request.method === 'OPTIONS') {
        response.writeHead(204).end();
        return;
      }
      const url = parseUrl(request.url);
      const { handler, params } = this.find(request.method, url.pathname);
      const answer = await handler({ request, url, params, headers: request.headers, body: (max) => readBody(request, max) });
      send(response, answer.status ?? 200, answer.body);
    } catch (error) {
      sendError(request, response, error);
    }
  }

  find(method, path) {
    let known = false;
    for (const route of this.routes) {
      const match = route.pattern.exec(path);
      if (!match) continue;
      known = true;
      if (route.method !== method && !(method === 'HEAD' && route.method === 'GET')) continue;
      const params = {};
      route.names.forEach((name, i) => {
        params[name] = decode(match[i + 1]);
      });
      return { handler: route.handler, params };
    }
    if (known) throw new ApiError(405, 'METHOD_NOT_ALLOWED', `${method} is not allowed here`);
    throw new ApiError(404, 'NOT_FOUND', 'There is nothing at this path');
  }
}

function parseUrl(text) {
  try {
    return new URL(text, 'http://backend');
  } catch {
    throw new ApiError(400, 'BAD_PATH', 'The path is not valid');
  }
}

function decode(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new ApiError(400, 'BAD_PATH', 'The path is not valid percent-encoding');
  }
}

function send(response, status, body) {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(text);
}

function sendError(request, response, error) {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  // What is left of a body that was refused is not worth reading.
  if (!request.complete) response.setHeader('connection', 'close');
  if (error instanceof ApiError) {
    send(response, error.status, { code: error.code, error: error.message });
    return;
  }
  const away = isDatabaseAway(error);
  console.error(`backend: ${request.method} ${request.url.split('?')[0]}: ${away ? error.message : error.stack}`);
  if (away) send(response, 503, { code: 'DATABASE_AWAY', error: 'The database does not answer' });
  else send(response, 500, { code: 'INTERNAL', error: 'Something went wrong' });
}

// Errors that are about the connection, and not about a statement: of the network, of the pool (without a code), and of a
// server that starts or stops (SQLSTATE class 57) or refuses connections (53, 08).
function isDatabaseAway(error) {
  if (/^(ECONN|ENOENT|EPIPE|ETIMEDOUT|EACCES)/.test(error.code || '')) return true;
  if (/^(57P|53|08)/.test(error.code || '')) return true;
  return !error.code && /timeout|terminated|Connection/.test(error.message);
}

/** Reads a JSON object of at most max bytes. */
async function readBody(request, max = MAX_BODY) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > max) throw new ApiError(413, 'BODY_TOO_LARGE', `The body is larger than ${max} bytes`);
    chunks.push(chunk);
  }
  let value;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ApiError(400, 'BODY_NOT_JSON', 'The body is not JSON');
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new ApiError(400, 'BODY_NOT_OBJECT', 'The body is not a JSON object');
  }
  return value;
}

/** Returns a string field of a body, or refuses the request. */
function stringField(body, name, { min = 1, max = 200, pattern } = {}) {
  const value = body[name];
  if (typeof value !== 'string' || value.length < min || value.length > max || value.includes('\0')) {
    throw new ApiError(400, 'BAD_FIELD', `"${name}" must be a text of ${min} to ${max} characters`);
  }
  if (pattern && !pattern.test(value)) throw new ApiError(400, 'BAD_FIELD', `"${name}" is not in the right form`);
  return value;
}

// Pages on this machine may call the API from a browser, whatever their port: the emulator is there for the developer's own
// app. Keys and tokens travel in headers, never in cookies, so another page gains nothing.
const LOCAL_ORIGIN = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\]|[a-z0-9-]+\.localhost)(?::\d{1,5})?$/;

function setCors(request, response) {
  response.setHeader('vary', 'origin');
  const origin = request.headers.origin;
  if (!origin || !LOCAL_ORIGIN.test(origin)) return;
  response.setHeader('access-control-allow-origin', origin);
  if (request.method !== 'OPTIONS') return;
  response.setHeader('access-control-allow-methods', 'GET, POST, DELETE');
  response.setHeader('access-control-allow-headers', request.headers['access-control-request-headers'] || '');
  response.setHeader('access-control-max-age', '600');
}

module.exports = { ApiError, Router, stringField, isDatabaseAway, LOCAL_ORIGIN };
