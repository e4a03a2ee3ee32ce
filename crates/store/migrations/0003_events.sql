-- What happened, for whoever is told by webhook. A row comes in the same transaction as what it tells
-- of. Times are Unix milliseconds.

CREATE TABLE events (
    id            INTEGER PRIMARY KEY NOT NULL,
    key           TEXT    NOT NULL UNIQUE, -- the same thing never happens twice
    kind          TEXT    NOT NULL,        -- such as show.finalized
    body          TEXT    NOT NULL,        -- JSON, sent byte for byte
    created_at_ms INTEGER NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    next_at_ms    INTEGER,                 -- when it is sent (again); null once it is sent or given up
    sent_at_ms    INTEGER,
    problem       TEXT                     -- what was wrong with the last attempt
) STRICT;

CREATE INDEX events_due ON events (next_at_ms) WHERE next_at_ms IS NOT NULL;
CREATE INDEX events_by_age ON events (created_at_ms);
