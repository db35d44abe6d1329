'use strict';
// Serves the dashboard: a handful of static files, held in memory. The pages find the backend by the address and key that
// the entry point has filled into the built files.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { onlyOwnNames } = require('../names.js');

const LISTEN_PORT = Number(process.env.DASHBOARD_PORT || 8101);
const BUILT = path.join(__dirname, 'built');

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

// The page's own router decides what these show.
const PAGES = new Set(['/handler/sign-in', '/projects', '/try']);

const HEADERS = {
  // Keys and ports in the files change when an instance is resumed: a browser must ask each time.
  'cache-control': 'no-cache',
  'content-security-policy':
    "default-src 'self'; connect-src 'self' http://localhost:* http://127.0.0.1:*; " +
    "img-src 'self' http://localhost:* http://127.0.0.1:*; frame-ancestors 'none'; base-uri 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

function load(directory) {
  const files = new Map();
  for (const name of fs.readdirSync(directory)) {
    const type = TYPES[path.extname(name)];
    if (type) files.set(`/${name}`, { type, body: fs.readFileSync(path.join(directory, name)) });
  }
  return files;
}

const files = load(BUILT);
const page = files.get('/index.html');

function handle(request, response) {
  const name = request.url.split('?')[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { ...HEADERS, allow: 'GET, HEAD' }).end();
    return;
  }
  if (name === '/') {
    response.writeHead(302, { ...HEADERS, location: '/projects' }).end();
    return;
  }
  const file = PAGES.has(name) ? page : files.get(name);
  const { type, body } = file || { type: 'text/plain; charset=utf-8', body: Buffer.from('There is no such page.\n') };
  response.writeHead(file ? 200 : 404, { ...HEADERS, 'content-type': type, 'content-length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
}

const server = http.createServer(onlyOwnNames(process.env, handle));
server.on('error', (error) => {
  console.error(`dashboard: ${error.message}`);
  process.exit(1);
});
server.listen(LISTEN_PORT, '0.0.0.0', () => console.log(`dashboard: listening on port ${server.address().port}`));

function stop() {
  server.close(() => process.exit(0));
  server.closeAllConnections();
}
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
