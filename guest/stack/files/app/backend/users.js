'use strict';
// What the API says of users.

const PICTURE_SECONDS = 3600; // that the URL of a picture is good for

function publicUser(user, storage) {
  return {
    id: user.id,
    primary_email: user.primaryEmail,
    display_name: user.displayName,
    profile_image_url: user.profileImage ? storage.urlFor(user.profileImage, PICTURE_SECONDS) : null,
  };
}

/** Returns the users of a project, the newest first. */
async function listUsers(database, storage, projectId) {
  const users = await database.rows(
    `SELECT "id", "primaryEmail", "displayName", "profileImage", "createdAt", "signedInAt" FROM "User" WHERE "projectId" = $1
     ORDER BY "createdAt" DESC, "id" LIMIT 500`, [projectId]);
  return users.map((user) => ({ ...publicUser(user, storage), created_at: user.createdAt, signed_in_at: user.signedInAt }));
}

module.exports = { publicUser, listUsers };
