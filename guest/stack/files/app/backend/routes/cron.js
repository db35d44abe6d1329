'use strict';
// Periodic jobs, called by stackguest cron-jobs with the cron secret.

const { ApiError } = require('../router.js');
const { sameSecret } = require('../access.js');

const JOBS = {
  'expire-sessions': 'DELETE FROM "Session" WHERE "expiresAt" <= now() RETURNING 1 AS "done"',
  'expire-codes': 'DELETE FROM "SignInCode" WHERE "expiresAt" <= now() RETURNING 1 AS "done"',
  'expire-api-keys': `DELETE FROM "ApiKeySet" WHERE "expiresAt" <= now() - interval '30 days' RETURNING 1 AS "done"`,
};

function register(router, { database, env }) {
  for (const [name, statement] of Object.entries(JOBS)) {
    const run = async ({ headers }) => {
      if (!env.CRON_SECRET || !sameSecret(headers.authorization || '', `Bearer ${env.CRON_SECRET}`)) {
        throw new ApiError(401, 'CRON_SECRET_INVALID', 'This needs the cron secret');
      }
      return { body: { job: name, rows: (await database.rows(statement)).length } };
    };
    router.on('POST', `/api/v1/internal/cron/${name}`, run);
    router.on('GET', `/api/v1/internal/cron/${name}`, run);
  }
}

module.exports = { register };
