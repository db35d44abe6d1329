'use strict';
// Who is calling: the project key of a request, and the user whose session it carries.

const crypto = require('node:crypto');
const { ApiError } = require('./router.js');

// What a key allows, from least to most, with the header that carries it and the column that holds it.
const KINDS = {
  client: { rank: 1, header: 'x-stack-publishable-client-key', column: 'publishableClientKey' },
  server: { rank: 2, header: 'x-stack-secret-server-key', column: 'secretServerKey' },
  admin: { rank: 3, header: 'x-stack-super-secret-admin-key', column: 'superSecretAdminKey' },
};

const SESSION_DAYS = 30;

/** Compares two texts in a time that does not tell where they differ. */
function sameSecret(a, b) {
  const digest = (text) => crypto.createHash('sha256').update(text).digest();
  return crypto.timingSafeEqual(digest(a), digest(b));
}

/** Returns the project whose key the request carries, as { id, kind }, when the key allows at least minimum. */
async function requireProject(database, headers, minimum = 'client') {
  const id = headers['x-stack-project-id'];
  const kind = headers['x-stack-access-type'];
  if (!id) throw new ApiError(400, 'PROJECT_ID_MISSING', 'The header X-Stack-Project-Id is missing');
  if (!Object.hasOwn(KINDS, kind || '')) {
    throw new ApiError(400, 'ACCESS_TYPE_INVALID', 'The header X-Stack-Access-Type must be client, server or admin');
  }
  const { header, column, rank } = KINDS[kind];
  const given = headers[header];
  if (!given) throw new ApiError(401, 'KEY_MISSING', `The header ${header} is missing`);
  const sets = await database.rows(
    `SELECT "publishableClientKey", "secretServerKey", "superSecretAdminKey"
     FROM "ApiKeySet" WHERE "projectId" = $1 AND "expiresAt" > now()`, [id]);
  // No early end of the loop: the time must not tell which set matched.
  let valid = false;
  for (const set of sets) {
    if (set[column] && sameSecret(set[column], given)) valid = true;
  }
  if (!valid) throw new ApiError(401, 'KEY_INVALID', `The key in ${header} is not valid for this project`);
  if (rank < KINDS[minimum].rank) throw new ApiError(403, 'ACCESS_TYPE_TOO_LOW', `This needs ${minimum} access`);
  return { id, kind };
}

/** Returns the user whose session token the request carries. */
async function requireUser(database, headers, projectId) {
  const token = headers['x-stack-access-token'];
  if (!token) throw new ApiError(401, 'TOKEN_MISSING', 'The header X-Stack-Access-Token is missing');
  const user = await database.row(
    `SELECT u."id", u."primaryEmail", u."displayName", u."profileImage" FROM "Session" s JOIN "User" u ON u."id" = s."userId"
     WHERE s."tokenHash" = $1 AND s."expiresAt" > now() AND u."projectId" = $2`, [tokenHash(token), projectId]);
  if (!user) throw new ApiError(401, 'TOKEN_INVALID', 'The session has ended');
  return user;
}

/** Starts a session and returns its token, which is stored nowhere. */
async function startSession(database, userId) {
  const token = crypto.randomBytes(32).toString('base64url');
  await database.row(
    `INSERT INTO "Session" ("tokenHash", "userId", "expiresAt") VALUES ($1, $2, now() + make_interval(days => $3))`,
    [tokenHash(token), userId, SESSION_DAYS]);
  return token;
}

async function endSession(database, token) {
  await database.row('DELETE FROM "Session" WHERE "tokenHash" = $1', [tokenHash(token)]);
}

function tokenHash(token) {
  return crypto.createHash('sha256').update(token).digest();
}

module.exports = { requireProject, requireUser, startSession, endSession, sameSecret };
