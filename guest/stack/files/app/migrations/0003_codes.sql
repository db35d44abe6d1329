-- Users who sign in with a code that comes by e-mail need no password. A code is known by hashes only, as a session is: the
-- nonce, which only the browser that asked for the code has, is the key to it.
ALTER TABLE "User" ALTER COLUMN "passwordHash" DROP NOT NULL;

-- Where the user's picture lies in the object storage.
ALTER TABLE "User" ADD COLUMN "profileImage" text;

CREATE TABLE "SignInCode" (
    "nonceHash" bytea PRIMARY KEY,
    "codeHash"  bytea NOT NULL,
    "projectId" text NOT NULL REFERENCES "Project" ("id") ON DELETE CASCADE,
    "email"     text NOT NULL,
    "tries"     int NOT NULL DEFAULT 0,
    "expiresAt" timestamptz NOT NULL
);

CREATE INDEX "SignInCode_expiresAt" ON "SignInCode" ("expiresAt");
