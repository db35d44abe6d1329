'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const app = path.join(__dirname, '../files/app');
const { isOwnName, publicNames } = require(`${app}/names.js`);

test('names of this machine, and those of the public URLs', () => {
  const names = publicNames({
    NEXT_PUBLIC_STACK_API_URL: 'https://api.mine.example:8443/x', NEXT_PUBLIC_BROWSER_STACK_DASHBOARD_URL: 'http://mine.example',
    NEXT_PUBLIC_STACK_SVIX_SERVER_URL: 'https://svix.example', STACK_API_URL: 'https://other.example', NEXT_PUBLIC_STACK_DASHBOARD_URL: 'no URL',
  });
  assert.deepEqual([...names].sort(), ['api.mine.example', 'mine.example']);
  for (const host of ['localhost', 'localhost:26700', 'LOCALHOST:1', 'app.localhost:3000', '127.0.0.1', '127.0.0.1:8102', '[::1]:8102', '[::1]',
    '10.0.2.15:8102', 'host.docker.internal:26701', 'api.mine.example', 'mine.example:443']) {
    assert.ok(isOwnName(host, names), host);
  }
  for (const host of [undefined, '', ':80', 'evil.example', 'evil.example:26701', 'localhost.evil.example', 'evillocalhost', '.localhost',
    '127.0.0.1.evil.example', '127.0.0.1x', 'svix.example', 'localhost:1:2', 'localhost@evil.example', 'x.host.docker.internal.evil.example']) {
    assert.ok(!isOwnName(host, names), String(host));
  }
});

// Starts a server of the stack at a free port, and returns that.
function start(t, script, env) {
  const server = spawn(process.execPath, [path.join(app, script)], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => server.kill('SIGKILL'));
  return new Promise((done, fail) => {
    let said = '';
    server.on('exit', (code) => fail(new Error(`it has ended with ${code}: ${said}`)));
    server.stdout.on('data', (text) => {
      said += text;
      const found = /listening on port (\d+)\n/.exec(said);
      if (found) done(Number(found[1]));
    });
  });
}

function get(port, host, target) {
  return new Promise((done, fail) => {
    http.get({ host: '127.0.0.1', port, path: target, headers: { host }, agent: false }, (answer) => {
      answer.setEncoding('utf8');
      let text = '';
      answer.on('data', (part) => { text += part; });
      answer.on('end', () => done({ status: answer.statusCode, text }));
    }).on('error', fail);
  });
}

// The database is not asked: a driver that knows none will do.
function driver(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-'));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  fs.mkdirSync(path.join(dir, 'pg'));
  fs.writeFileSync(path.join(dir, 'pg/index.js'), 'exports.Pool = class { on() {} };\n');
  return dir;
}

for (const [name, script, target] of [['backend', 'backend/server.js', '/health'], ['dashboard', 'dashboard/server.js', '/handler/sign-in']]) {
  test(`the ${name} answers by its own names only`, async (t) => {
    const port = await start(t, script, { DASHBOARD_PORT: '0', BACKEND_PORT: '0', STACK_START_GATE_FD: '', NODE_PATH: driver(t) });
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`]) {
      assert.equal((await get(port, host, target)).status, 200, host);
    }
    const refused = await get(port, `evil.example:${port}`, target);
    assert.equal(refused.status, 403);
    assert.match(refused.text, /this host name are not answered/);
  });
}
