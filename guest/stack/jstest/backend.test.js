'use strict';
const assert = require('node:assert/strict');
const http = require('node:http');
const { test } = require('node:test');
const backend = '../files/app/backend';
const { ApiError, LOCAL_ORIGIN, Router, isDatabaseAway, stringField } = require(`${backend}/router.js`);
const { sameSecret } = require(`${backend}/access.js`);
const passwords = require(`${backend}/passwords.js`);

test('only pages of this machine are local', () => {
  for (const origin of ['http://localhost', 'http://localhost:26700', 'https://127.0.0.1:1', 'http://[::1]:80', 'http://app.localhost:3000']) {
    assert.ok(LOCAL_ORIGIN.test(origin), origin);
  }
  for (const origin of ['http://localhost.evil.example', 'http://evil.example', 'http://127.0.0.1.evil.example', 'null',
    'http://localhost:26700/x', 'http://localhost@evil.example', 'file://localhost', 'http://evil.example/localhost']) {
    assert.ok(!LOCAL_ORIGIN.test(origin), origin);
  }
});

test('secrets are compared whole', () => {
  assert.ok(sameSecret('abc', 'abc'));
  for (const other of ['', 'ab', 'abcd', 'abC']) assert.ok(!sameSecret('abc', other), other);
});

test('passwords', async () => {
  const stored = await passwords.hash('LocalEmulatorPassword');
  assert.match(stored, /^scrypt:16384:8:1:[\w+/=]+:[\w+/=]+$/);
  assert.ok(await passwords.verify('LocalEmulatorPassword', stored));
  assert.ok(!await passwords.verify('localEmulatorPassword', stored));
  assert.ok(!await passwords.verify('anything', undefined));
  assert.notEqual(stored, await passwords.hash('LocalEmulatorPassword'));
});

test('fields of a body', () => {
  assert.equal(stringField({ a: 'x' }, 'a'), 'x');
  for (const body of [{}, { a: 1 }, { a: '' }, { a: 'x'.repeat(201) }, { a: 'a\0b' }, { a: ['x'] }, { a: null }]) {
    assert.throws(() => stringField(body, 'a'), (error) => error instanceof ApiError && error.status === 400);
  }
});

test('errors of the connection are told from errors of a statement', () => {
  for (const error of [{ code: 'ECONNREFUSED', message: '' }, { code: 'ENOENT', message: '' }, { code: '57P03', message: '' },
    { message: 'Connection terminated unexpectedly' }, { message: 'timeout exceeded when trying to connect' }]) {
    assert.ok(isDatabaseAway(error), JSON.stringify(error));
  }
  for (const error of [{ code: '23505', message: 'Connection' }, { code: '42P01', message: '' }, new TypeError('x is not a function')]) {
    assert.ok(!isDatabaseAway(error), String(error));
  }
});

test('the router', async (t) => {
  const router = new Router();
  router.on('GET', '/things/:id', async ({ params }) => ({ body: params }));
  router.on('POST', '/things', async ({ body }) => ({ status: 201, body: await body() }));
  router.on('GET', '/broken', async () => { throw new Error('secret detail'); });
  const server = http.createServer((request, response) => router.handle(request, response));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  const base = `http://127.0.0.1:${server.address().port}`;
  const log = t.mock.method(console, 'error', () => {});

  const cases = [
    ['GET', '/things/a%2Fb?x=1', undefined, 200, { id: 'a/b' }],
    ['GET', '/things/%zz', undefined, 400],
    ['GET', '/nothing', undefined, 404],
    ['DELETE', '/things', undefined, 405],
    ['POST', '/things', '{"a":1}', 201, { a: 1 }],
    ['POST', '/things', 'not json', 400],
    ['POST', '/things', '[]', 400],
    ['POST', '/things', 'null', 400],
    ['POST', '/things', 'x'.repeat(70000), 413],
    ['GET', '/broken', undefined, 500],
  ];
  for (const [method, path, body, status, want] of cases) {
    const response = await fetch(base + path, { method, body });
    const answer = await response.json();
    assert.equal(response.status, status, `${method} ${path}`);
    if (want) assert.deepEqual(answer, want);
    else assert.ok(answer.code && answer.error, JSON.stringify(answer));
    assert.ok(!JSON.stringify(answer).includes('secret detail'));
  }
  assert.equal(log.mock.callCount(), 1);
  server.closeAllConnections();
});
