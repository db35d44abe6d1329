-- Projects and their keys. "ApiKeySet" has the columns that the product's own tools write.
CREATE TABLE "Project" (
    "id"               text PRIMARY KEY,
    "displayName"      text NOT NULL CHECK ("displayName" <> ''),
    "description"      text NOT NULL DEFAULT '',
    "ownerUserId"      uuid,
    "absoluteFilePath" text UNIQUE,
    "createdAt"        timestamptz NOT NULL DEFAULT now(),
    "updatedAt"        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE "ApiKeySet" (
    "projectId"            text NOT NULL REFERENCES "Project" ("id") ON DELETE CASCADE,
    "id"                   uuid NOT NULL,
    "description"          text NOT NULL,
    "expiresAt"            timestamptz NOT NULL,
    "createdAt"            timestamptz NOT NULL DEFAULT now(),
    "updatedAt"            timestamptz NOT NULL,
    "publishableClientKey" text UNIQUE,
    "secretServerKey"      text UNIQUE,
    "superSecretAdminKey"  text UNIQUE,
    PRIMARY KEY ("projectId", "id")
);

INSERT INTO "Project" ("id", "displayName", "description")
VALUES ('internal', 'Stack Dashboard', 'The project of the emulator itself');
