'use strict';
// Sign-in with a code that comes by e-mail. Who has no account yet gets one.

const crypto = require('node:crypto');
const { ApiError, stringField } = require('../router.js');
const { requireProject, startSession } = require('../access.js');
const { EMAIL } = require('../mail.js');

const MINUTES = 10;
const TRIES = 5;

const digest = (text) => crypto.createHash('sha256').update(text).digest();

// A code has few digits, so its hash takes in the nonce, which is in no table.
const codeHash = (nonce, code) => digest(`${nonce} ${code}`);

function register(router, { database, mailer }) {
  router.on('POST', '/api/v1/auth/otp/send-sign-in-code', async ({ headers, body }) => {
    const project = await requireProject(database, headers);
    if (project.id === 'internal') throw new ApiError(403, 'SIGN_UP_DISABLED', 'The emulator has one admin');
    const email = stringField(await body(), 'email', { max: 254, pattern: EMAIL }).toLowerCase();
    const code = String(crypto.randomInt(1_000_000)).padStart(6, '0');
    const nonce = crypto.randomBytes(24).toString('base64url');
    await database.row(
      `INSERT INTO "SignInCode" ("nonceHash", "codeHash", "projectId", "email", "expiresAt")
       VALUES ($1, $2, $3, $4, now() + make_interval(mins => $5))`,
      [digest(nonce), codeHash(nonce, code), project.id, email, MINUTES]);
    await sendCode(mailer, email, code);
    return { body: { nonce } };
  });

  router.on('POST', '/api/v1/auth/otp/sign-in', async ({ headers, body }) => {
    const project = await requireProject(database, headers);
    const fields = await body();
    const nonce = stringField(fields, 'nonce');
    const code = stringField(fields, 'code', { min: 6, max: 6, pattern: /^\d{6}$/ });
    const email = await useCode(database, project.id, nonce, code);
    const user = await database.row(
      `INSERT INTO "User" ("id", "projectId", "primaryEmail", "signedInAt") VALUES ($1, $2, $3, now())
       ON CONFLICT ("projectId", "primaryEmail") DO UPDATE SET "signedInAt" = now() RETURNING "id", xmax = 0 AS "isNew"`,
      [crypto.randomUUID(), project.id, email]);
    return { body: { user_id: user.id, is_new_user: user.isNew, access_token: await startSession(database, user.id) } };
  });
}

async function sendCode(mailer, email, code) {
  try {
    await mailer.send({
      to: email,
      subject: 'Your sign-in code',
      text: `Your code is ${code}. It is good for ${MINUTES} minutes.\n`,
      html: `<p>Your code is <strong>${code}</strong>.</p><p>It is good for ${MINUTES} minutes.</p>`,
    });
  } catch (error) {
    console.error(`backend: mail: ${error.message}`);
    throw new ApiError(503, 'MAIL_AWAY', 'The mail could not be sent');
  }
}

/** Uses up a code and returns the e-mail address that it was sent to. A wrong one costs one of the tries. */
async function useCode(database, projectId, nonce, code) {
  const sent = await database.row(
    `UPDATE "SignInCode" SET "tries" = "tries" + 1
     WHERE "nonceHash" = $1 AND "projectId" = $2 AND "expiresAt" > now() AND "tries" < $3 RETURNING "codeHash", "email"`,
    [digest(nonce), projectId, TRIES]);
  const right = sent && crypto.timingSafeEqual(sent.codeHash, codeHash(nonce, code));
  // Of two that come at once with the right code only one finds it still there.
  const used = right && await database.row('DELETE FROM "SignInCode" WHERE "nonceHash" = $1 RETURNING 1 AS "used"', [digest(nonce)]);
  if (!used) throw new ApiError(401, 'CODE_INVALID', 'The code is wrong, or too old, or was used');
  return sent.email;
}

module.exports = { register };
