'use strict';
// The project that a request's own keys belong to.

const { requireProject } = require('../access.js');

function register(router, { database }) {
  router.on('GET', '/api/v1/projects/current', async ({ headers }) => {
    const { id, kind } = await requireProject(database, headers);
    const project = await database.row(
      `SELECT "id", "displayName", "description", "createdAt",
         (SELECT count(*)::int FROM "User" WHERE "projectId" = $1) AS "users"
       FROM "Project" WHERE "id" = $1`, [id]);
    const body = { id: project.id, display_name: project.displayName, description: project.description };
    if (kind !== 'client') Object.assign(body, { created_at: project.createdAt, user_count: project.users });
    return { body };
  });
}

module.exports = { register };
