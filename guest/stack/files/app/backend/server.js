'use strict';
// The backend of the reference stack: a small HTTP API over PostgreSQL, without a framework.
//
// This file wires the parts and owns the process: it listens when the gate opens, and ends cleanly on SIGTERM.

const fs = require('node:fs');
const http = require('node:http');
const { onlyOwnNames } = require('../names.js');
const { Database } = require('./database.js');
const { Mailer } = require('./mail.js');
const { Router } = require('./router.js');
const { Storage } = require('./storage.js');

const LISTEN_PORT = Number(process.env.BACKEND_PORT || 8102);

const database = new Database(process.env);
const mailer = new Mailer(process.env);
const storage = new Storage(process.env);
const router = new Router();
for (const routes of ['health', 'auth', 'codes', 'pictures', 'projects', 'internal', 'cron']) {
  require(`./routes/${routes}.js`).register(router, { database, mailer, storage, env: process.env });
}

const server = http.createServer(onlyOwnNames(process.env, (request, response) => router.handle(request, response)));
server.requestTimeout = 30_000;
server.headersTimeout = 10_000;
server.keepAliveTimeout = 30_000;

function listen() {
  server.listen(LISTEN_PORT, '0.0.0.0', () => console.log(`backend: listening on port ${server.address().port}`));
}

server.on('error', (error) => {
  console.error(`backend: ${error.message}`);
  process.exit(1);
});

// The entry point starts this process early and opens the gate, with one byte, when the database is ready. A gate that
// closes without a byte means that there is nothing to serve.
function waitForGate(descriptor) {
  fs.read(descriptor, Buffer.alloc(1), 0, 1, null, (error, count) => {
    fs.close(descriptor, () => {});
    if (error || count !== 1) {
      console.error('backend: the gate was closed before it opened');
      process.exit(1);
    }
    listen();
  });
}

// The database notices by the end of its connections: nothing is left to tell it.
function stop() {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  // A request that does not end must not keep the process: the entry point has its own, longer limit.
  setTimeout(() => process.exit(0), 500).unref();
}
process.once('SIGTERM', stop);
process.once('SIGINT', stop);

if (process.env.STACK_START_GATE_FD) waitForGate(Number(process.env.STACK_START_GATE_FD));
else listen();
