-- The admin of the emulator's own dashboard. The password is public (LocalEmulatorPassword) and the same in every
-- emulator, so that its hash may be, too.
INSERT INTO "User" ("id", "projectId", "primaryEmail", "displayName", "passwordHash")
VALUES ('63abbc96-5329-454a-ba56-e0460173c6c1', 'internal', 'local-emulator@stack-auth.com', 'Local Emulator',
        'scrypt:16384:8:1:c3RhY2tlbXUtc2VlZC0wMQ==:jSqqNxHzqYrhe5SVU3ruQ0NPbzUopE33eudY/pWFQkM=')
ON CONFLICT DO NOTHING;

INSERT INTO "Project" ("id", "displayName", "description", "ownerUserId")
VALUES ('6fbbf22e-f4b2-4c6e-95a1-beab6fa41063', 'Example project', 'A first project to look around in',
        '63abbc96-5329-454a-ba56-e0460173c6c1')
ON CONFLICT DO NOTHING;
