'use strict';
// Projects and their key sets in the database.

const crypto = require('node:crypto');

/** Mints the three keys of a project. */
function mintKeys() {
  const key = (prefix) => `${prefix}_${crypto.randomBytes(32).toString('hex')}`;
  return { publishableClientKey: key('pck'), secretServerKey: key('ssk'), superSecretAdminKey: key('sak') };
}

async function insertKeys(query, projectId, description) {
  const keys = mintKeys();
  await query(
    `INSERT INTO "ApiKeySet" ("projectId", "id", "description", "expiresAt", "updatedAt",
       "publishableClientKey", "secretServerKey", "superSecretAdminKey")
     VALUES ($1, $2, $3, '2099-12-31T23:59:59Z', now(), $4, $5, $6)`,
    [projectId, crypto.randomUUID(), description, keys.publishableClientKey, keys.secretServerKey, keys.superSecretAdminKey]);
  return keys;
}

/** Creates a project with keys of its own. */
function createProject(database, displayName, ownerUserId) {
  return database.transaction(async (query) => {
    const project = await query(
      `INSERT INTO "Project" ("id", "displayName", "ownerUserId") VALUES ($1, $2, $3)
       RETURNING "id", "displayName", "createdAt"`, [crypto.randomUUID(), displayName, ownerUserId]);
    await insertKeys(query, project.id, 'First keys');
    return project;
  });
}

/** Returns id and keys of the project that belongs to a config file on the developer's machine, created at first sight. */
function projectForFile(database, absoluteFilePath, displayName) {
  return database.transaction(async (query) => {
    // Two requests for one new file: the second waits here for the first, and finds its project.
    await query(
      `INSERT INTO "Project" ("id", "displayName", "absoluteFilePath") VALUES ($1, $2, $3)
       ON CONFLICT ("absoluteFilePath") DO NOTHING`, [crypto.randomUUID(), displayName, absoluteFilePath]);
    const project = await query('SELECT "id" FROM "Project" WHERE "absoluteFilePath" = $1 FOR UPDATE', [absoluteFilePath]);
    const keys = await currentKeys(query, project.id) || await insertKeys(query, project.id, 'Local emulator');
    return { id: project.id, ...keys };
  });
}

/** Returns the newest valid keys of a project, or undefined. query is Database.row or the query of a transaction. */
function currentKeys(query, projectId) {
  return query(
    `SELECT "publishableClientKey", "secretServerKey", "superSecretAdminKey" FROM "ApiKeySet"
     WHERE "projectId" = $1 AND "expiresAt" > now() ORDER BY "createdAt" DESC LIMIT 1`, [projectId]);
}

/** Returns the valid keys of a project; one that has none gets some. */
function keysOf(database, projectId) {
  return database.transaction(async (query) => {
    const project = await query('SELECT "id" FROM "Project" WHERE "id" = $1 FOR UPDATE', [projectId]);
    if (!project) return undefined;
    return await currentKeys(query, projectId) || insertKeys(query, projectId, 'First keys');
  });
}

module.exports = { createProject, projectForFile, keysOf };
