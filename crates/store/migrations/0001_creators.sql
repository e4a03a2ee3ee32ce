-- Who may publish, under which public name, and with which key. Times are Unix milliseconds.

CREATE TABLE creators (
    id            INTEGER PRIMARY KEY NOT NULL,
    handle        TEXT    NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
) STRICT;

-- A creator has at most one key. The key itself is never stored.
CREATE TABLE stream_keys (
    creator_id      INTEGER PRIMARY KEY NOT NULL REFERENCES creators (id) ON DELETE CASCADE,
    selector        BLOB    NOT NULL, -- the first 8 bytes of hash: what is searched for
    hash            BLOB    NOT NULL, -- SHA-256 of the key's text
    created_at_ms   INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    last_used_at_ms INTEGER           -- null until the first publish with it
) STRICT;

CREATE UNIQUE INDEX stream_keys_by_selector ON stream_keys (selector);
