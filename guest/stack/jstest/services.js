'use strict';
// Run by a Go test that has the real services up (services_test.go).

const assert = require('node:assert/strict');
const backend = '../files/app/backend';
const { Mailer } = require(`${backend}/mail.js`);
const { Storage } = require(`${backend}/storage.js`);

const get = async (url) => {
  const answer = await fetch(url);
  return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
};

async function main() {
  const storage = new Storage(process.env);
  const key = "pictures/a b+c/(é)'.png";
  await storage.put(key, Buffer.from('content'), 'image/png');
  assert.deepEqual(await get(storage.urlFor(key, 60)), { status: 200, type: 'image/png', text: 'content' });
  await storage.remove(key);
  assert.equal((await get(storage.urlFor(key, 60))).status, 404);
  const stranger = new Storage({ ...process.env, STACK_S3_SECRET_ACCESS_KEY: 'guess' });
  await assert.rejects(stranger.put(key, Buffer.from('x'), 'image/png'), /answered 403/);
  const away = new Storage({ ...process.env, STACK_S3_ENDPOINT: 'http://127.0.0.1:1' });
  await assert.rejects(away.put(key, Buffer.from('x'), 'image/png'), /ECONNREFUSED/);

  const mailer = new Mailer(process.env);
  await mailer.send({ to: 'ann@example.com', subject: 'Grüße', text: `.\r\nline\n${'ü'.repeat(500)}`, html: '<p>.</p>' });
  for (const to of ['ann@example.com>\r\nRCPT TO:<bob@example.com', 'ann', 'a b@example.com']) {
    await assert.rejects(mailer.send({ to, subject: '', text: '', html: '' }), /not an e-mail address/);
  }
  await assert.rejects(new Mailer({ ...process.env, STACK_EMAIL_PORT: '1' }).send({ to: 'ann@example.com', subject: '', text: '', html: '' }), /ECONNREFUSED/);
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
