'use strict';
// Health and identity of the service.

const crypto = require('node:crypto');
const { isDatabaseAway } = require('../router.js');

function register(router, { database }) {
  router.on('GET', '/health', async ({ url }) => {
    if (!url.searchParams.get('db')) return { body: { status: 'ok' } };
    try {
      await database.row('SELECT 1 FROM "Project" LIMIT 1'); // as dear with many projects as with one
      return { body: { status: 'ok', database: 'ok' } };
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      return { status: 503, body: { status: 'error', database: 'away' } };
    }
  });

  router.on('GET', '/', async () => ({ body: { name: 'stack backend', api: '/api/v1' } }));
  router.on('GET', '/api/v1', async () => ({ body: { name: 'stack backend', version: 1 } }));

  // Identifiers from this process's own random pool. Two instances that leave one snapshot must not give the same.
  router.on('GET', '/api/v1/internal/random-ids', async () => ({
    body: { uuids: Array.from({ length: 8 }, () => crypto.randomUUID()), bytes: crypto.randomBytes(16).toString('hex') },
  }));
}

module.exports = { register };
