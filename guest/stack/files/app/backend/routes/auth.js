'use strict';
// Users of a project: sign-up, sign-in, sessions.

const crypto = require('node:crypto');
const { ApiError, stringField } = require('../router.js');
const { requireProject, requireUser, startSession, endSession } = require('../access.js');
const { EMAIL } = require('../mail.js');
const passwords = require('../passwords.js');
const { listUsers, publicUser } = require('../users.js');

function credentials(body) {
  return {
    email: stringField(body, 'email', { max: 254, pattern: EMAIL }).toLowerCase(),
    password: stringField(body, 'password', { min: 8, max: 200 }),
  };
}

function register(router, { database, storage }) {
  router.on('POST', '/api/v1/auth/password/sign-up', async ({ headers, body }) => {
    const project = await requireProject(database, headers);
    const { email, password } = credentials(await body());
    if (project.id === 'internal') throw new ApiError(403, 'SIGN_UP_DISABLED', 'The emulator has one admin');
    const id = crypto.randomUUID();
    const user = await database.row(
      `INSERT INTO "User" ("id", "projectId", "primaryEmail", "passwordHash", "signedInAt") VALUES ($1, $2, $3, $4, now())
       ON CONFLICT ("projectId", "primaryEmail") DO NOTHING RETURNING "id"`,
      [id, project.id, email, await passwords.hash(password)]);
    if (!user) throw new ApiError(409, 'USER_EXISTS', 'There is a user with this e-mail address');
    return { status: 201, body: { user_id: id, access_token: await startSession(database, id) } };
  });

  router.on('POST', '/api/v1/auth/password/sign-in', async ({ headers, body }) => {
    const project = await requireProject(database, headers);
    const { email, password } = credentials(await body());
    const user = await database.row(
      'SELECT "id", "passwordHash" FROM "User" WHERE "projectId" = $1 AND "primaryEmail" = $2', [project.id, email]);
    if (!(await passwords.verify(password, user?.passwordHash))) {
      throw new ApiError(401, 'EMAIL_PASSWORD_MISMATCH', 'Wrong e-mail address or password');
    }
    await database.row('UPDATE "User" SET "signedInAt" = now() WHERE "id" = $1', [user.id]);
    return { body: { user_id: user.id, access_token: await startSession(database, user.id) } };
  });

  router.on('DELETE', '/api/v1/auth/sessions/current', async ({ headers }) => {
    const project = await requireProject(database, headers);
    await requireUser(database, headers, project.id);
    await endSession(database, headers['x-stack-access-token']);
    return { body: { success: true } };
  });

  router.on('GET', '/api/v1/users/me', async ({ headers }) => {
    const project = await requireProject(database, headers);
    return { body: publicUser(await requireUser(database, headers, project.id), storage) };
  });

  router.on('GET', '/api/v1/users', async ({ headers }) => {
    const project = await requireProject(database, headers, 'server');
    return { body: { items: await listUsers(database, storage, project.id) } };
  });
}

module.exports = { register };
