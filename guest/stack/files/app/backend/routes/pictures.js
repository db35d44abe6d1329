'use strict';
// Profile pictures, which lie in the object storage.

const crypto = require('node:crypto');
const { ApiError, stringField } = require('../router.js');
const { requireProject, requireUser } = require('../access.js');
const { publicUser } = require('../users.js');

const MAX_BYTES = 1024 * 1024;
const MAX_TEXT = Math.ceil(MAX_BYTES / 3) * 4 + 64; // as a data URL

// What a picture begins with. The type is ours to say, not the caller's: it is what a browser will take it for.
const TYPES = [
  ['image/png', /^\x89PNG\r\n\x1a\n/],
  ['image/jpeg', /^\xff\xd8\xff/],
  ['image/webp', /^RIFF[^]{4}WEBP/],
];

function pictureOf(dataUrl) {
  const match = /^data:image\/[a-z+.-]+;base64,([A-Za-z0-9+/]+={0,2})$/.exec(dataUrl);
  const data = Buffer.from(match?.[1] ?? '', 'base64');
  const type = TYPES.find(([, magic]) => magic.test(data.toString('latin1', 0, 16)))?.[0];
  if (!type || data.length > MAX_BYTES) {
    throw new ApiError(400, 'BAD_PICTURE', '"profile_image" must be a PNG, JPEG or WebP picture of at most 1 MiB, as a data URL');
  }
  return { data, type };
}

function register(router, { database, storage }) {
  const tryStorage = async (work) => {
    try {
      await work;
    } catch (error) {
      console.error(`backend: storage: ${error.message}`);
      throw new ApiError(503, 'STORAGE_AWAY', 'The picture could not be stored');
    }
  };

  router.on('POST', '/api/v1/users/me/profile-image', async ({ headers, body }) => {
    const project = await requireProject(database, headers);
    const user = await requireUser(database, headers, project.id);
    const { data, type } = pictureOf(stringField(await body(MAX_TEXT + 1024), 'profile_image', { max: MAX_TEXT }));
    const key = `profile-images/${project.id}/${user.id}/${crypto.randomUUID()}`;
    await tryStorage(storage.put(key, data, type));
    await database.row('UPDATE "User" SET "profileImage" = $2 WHERE "id" = $1', [user.id, key]);
    if (user.profileImage) await tryStorage(storage.remove(user.profileImage));
    return { body: publicUser({ ...user, profileImage: key }, storage) };
  });
}

module.exports = { register };
