-- Users of each project, and the sessions in which they are signed in. A session is known by the SHA-256 of its token:
-- whoever reads the table cannot sign in with what is in it.
CREATE TABLE "User" (
    "id"           uuid PRIMARY KEY,
    "projectId"    text NOT NULL REFERENCES "Project" ("id") ON DELETE CASCADE,
    "primaryEmail" text NOT NULL CHECK ("primaryEmail" = lower("primaryEmail")),
    "displayName"  text NOT NULL DEFAULT '',
    "passwordHash" text NOT NULL,
    "createdAt"    timestamptz NOT NULL DEFAULT now(),
    "signedInAt"   timestamptz,
    UNIQUE ("projectId", "primaryEmail")
);

ALTER TABLE "Project" ADD FOREIGN KEY ("ownerUserId") REFERENCES "User" ("id") ON DELETE SET NULL;

CREATE TABLE "Session" (
    "tokenHash" bytea PRIMARY KEY,
    "userId"    uuid NOT NULL REFERENCES "User" ("id") ON DELETE CASCADE,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "expiresAt" timestamptz NOT NULL
);

CREATE INDEX "Session_expiresAt" ON "Session" ("expiresAt");
CREATE INDEX "Session_userId" ON "Session" ("userId");
