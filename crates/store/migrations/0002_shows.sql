-- Shows, and what they came to. Times are Unix milliseconds; lengths are milliseconds.

CREATE TABLE shows (
    id              INTEGER PRIMARY KEY NOT NULL, -- the ledger's number, its 64 bits read as signed
    name            TEXT    NOT NULL UNIQUE,      -- what URLs call it
    creator_id      INTEGER NOT NULL REFERENCES creators (id) ON DELETE CASCADE,
    went_live_at_ms INTEGER NOT NULL,
    ended_at_ms     INTEGER,                      -- null while it is live
    final_at_ms     INTEGER,                      -- null while its figures can change
    rights          TEXT                          -- JSON, fixed at go-live; null without a level
) STRICT;

CREATE INDEX shows_by_creator ON shows (creator_id, went_live_at_ms);
CREATE INDEX shows_not_final ON shows (id) WHERE final_at_ms IS NULL;

-- Up to which record of a node's watch log the figures below are.
CREATE TABLE watch_log_positions (
    node     INTEGER PRIMARY KEY NOT NULL,
    epoch    INTEGER NOT NULL,
    sequence INTEGER NOT NULL
) STRICT;

-- Figures that can still change, as they were last computed. All of them can be computed again from
-- the watch log.
CREATE TABLE show_watch_totals (
    show_id              INTEGER PRIMARY KEY NOT NULL REFERENCES shows (id) ON DELETE CASCADE,
    at_ms                INTEGER NOT NULL,
    live_ms              INTEGER NOT NULL,
    delivered_ms         INTEGER NOT NULL,
    gross_ms             INTEGER NOT NULL,
    counted_ms           INTEGER NOT NULL,
    valid_ms             INTEGER NOT NULL,
    idle_ms              INTEGER NOT NULL,
    unique_viewers       INTEGER NOT NULL,
    valid_unique_viewers INTEGER NOT NULL,
    views                INTEGER NOT NULL,
    peak                 INTEGER NOT NULL,
    acv_milli            INTEGER NOT NULL,
    a_ms                 INTEGER NOT NULL,
    b_ms                 INTEGER NOT NULL,
    c_ms                 INTEGER NOT NULL,
    d_ms                 INTEGER NOT NULL,
    valid_a_ms           INTEGER NOT NULL,
    valid_b_ms           INTEGER NOT NULL
) STRICT;

-- Final figures. Rows are only ever added; a correction is a row of its own with its reason.
CREATE TABLE show_watch_finals (
    show_id              INTEGER NOT NULL REFERENCES shows (id) ON DELETE CASCADE,
    number               INTEGER NOT NULL, -- 0, then one more with each correction
    at_ms                INTEGER NOT NULL,
    reason               TEXT,             -- null for number 0
    viewers              BLOB    NOT NULL, -- keys of unique viewers by valid time, 16 bytes each
    live_ms              INTEGER NOT NULL,
    delivered_ms         INTEGER NOT NULL,
    gross_ms             INTEGER NOT NULL,
    counted_ms           INTEGER NOT NULL,
    valid_ms             INTEGER NOT NULL,
    idle_ms              INTEGER NOT NULL,
    unique_viewers       INTEGER NOT NULL,
    valid_unique_viewers INTEGER NOT NULL,
    views                INTEGER NOT NULL,
    peak                 INTEGER NOT NULL,
    acv_milli            INTEGER NOT NULL,
    a_ms                 INTEGER NOT NULL,
    b_ms                 INTEGER NOT NULL,
    c_ms                 INTEGER NOT NULL,
    d_ms                 INTEGER NOT NULL,
    valid_a_ms           INTEGER NOT NULL,
    valid_b_ms           INTEGER NOT NULL,
    PRIMARY KEY (show_id, number)
) STRICT;

-- The minutes of a final show, from when its figures became final.
CREATE TABLE show_watch_minutes (
    show_id     INTEGER NOT NULL REFERENCES shows (id) ON DELETE CASCADE,
    start_ms    INTEGER NOT NULL,
    live_ms     INTEGER NOT NULL,
    media_ms    INTEGER NOT NULL,
    presence_ms INTEGER NOT NULL,
    peak        INTEGER NOT NULL,
    PRIMARY KEY (show_id, start_ms)
) STRICT, WITHOUT ROWID;

-- Where a creator stands, and how they got there. A decision is kept with all it was made from, so
-- that it can be made again.
CREATE TABLE creator_levels (
    creator_id INTEGER PRIMARY KEY NOT NULL REFERENCES creators (id) ON DELETE CASCADE,
    state      TEXT    NOT NULL -- JSON
) STRICT;

CREATE TABLE level_decisions (
    id         INTEGER PRIMARY KEY NOT NULL,
    creator_id INTEGER NOT NULL REFERENCES creators (id) ON DELETE CASCADE,
    at_ms      INTEGER NOT NULL,
    outcome    TEXT    NOT NULL,
    decision   TEXT    NOT NULL -- JSON
) STRICT;

CREATE INDEX level_decisions_by_creator ON level_decisions (creator_id, at_ms);
