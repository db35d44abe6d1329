'use strict';
// What only the emulator's own dashboard and command line use: the list of projects, and credentials for a config file.

const path = require('node:path');
const { ApiError, stringField } = require('../router.js');
const { requireProject, requireUser } = require('../access.js');
const store = require('../project-store.js');
const { listUsers } = require('../users.js');

/** Lets only the internal project's keys through. */
async function requireInternal(database, headers) {
  const project = await requireProject(database, headers);
  if (project.id !== 'internal') throw new ApiError(403, 'NOT_INTERNAL', 'Only the internal project may do this');
}

/** Lets only the signed-in admin through. */
async function requireAdmin(database, headers) {
  await requireInternal(database, headers);
  return requireUser(database, headers, 'internal');
}

function absolutePath(body) {
  const value = stringField(body, 'absolute_file_path', { max: 4096 });
  if (!path.posix.isAbsolute(value) && !path.win32.isAbsolute(value)) {
    throw new ApiError(400, 'BAD_FIELD', '"absolute_file_path" must be absolute');
  }
  return value;
}

function register(router, { database, storage }) {
  router.on('POST', '/api/v1/internal/local-emulator/project', async ({ headers, body }) => {
    await requireInternal(database, headers);
    const file = absolutePath(await body());
    const directory = path.basename(path.dirname(file.replaceAll('\\', '/')));
    const project = await store.projectForFile(database, file, directory.slice(0, 100) || 'Local project');
    return {
      body: {
        project_id: project.id,
        publishable_client_key: project.publishableClientKey,
        secret_server_key: project.secretServerKey,
      },
    };
  });

  router.on('GET', '/api/v1/internal/projects', async ({ headers }) => {
    await requireAdmin(database, headers);
    const projects = await database.rows(
      `SELECT p."id", p."displayName", p."absoluteFilePath", p."createdAt",
         (SELECT count(*)::int FROM "User" u WHERE u."projectId" = p."id") AS "users"
       FROM "Project" p WHERE p."id" <> 'internal' ORDER BY p."createdAt" DESC, p."id" LIMIT 500`);
    return {
      body: {
        items: projects.map((p) => ({
          id: p.id, display_name: p.displayName, config_file: p.absoluteFilePath, created_at: p.createdAt, user_count: p.users,
        })),
      },
    };
  });

  router.on('POST', '/api/v1/internal/projects', async ({ headers, body }) => {
    const admin = await requireAdmin(database, headers);
    const name = stringField(await body(), 'display_name', { max: 100 }).trim();
    if (!name) throw new ApiError(400, 'BAD_FIELD', '"display_name" must not be blank');
    const project = await store.createProject(database, name, admin.id);
    return { status: 201, body: { id: project.id, display_name: project.displayName, created_at: project.createdAt } };
  });

  router.on('GET', '/api/v1/internal/projects/:id/keys', async ({ headers, params }) => {
    await requireAdmin(database, headers);
    const keys = params.id !== 'internal' && await store.keysOf(database, params.id);
    if (!keys) throw new ApiError(404, 'PROJECT_NOT_FOUND', 'There is no such project');
    return {
      body: {
        publishable_client_key: keys.publishableClientKey,
        secret_server_key: keys.secretServerKey,
        super_secret_admin_key: keys.superSecretAdminKey,
      },
    };
  });

  router.on('GET', '/api/v1/internal/projects/:id/users', async ({ headers, params }) => {
    await requireAdmin(database, headers);
    return { body: { items: await listUsers(database, storage, params.id) } };
  });
}

module.exports = { register };
