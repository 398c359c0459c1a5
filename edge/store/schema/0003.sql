-- People, sessions and the site's settings; and what makes a hundred thousand images quick to list and to search.

CREATE TABLE accounts (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    role        TEXT    NOT NULL CHECK (role IN ('technician', 'clinician', 'admin')),
    password    TEXT,                             -- Argon2id, RFC 9106; NULL: may not sign in with one
    pin         TEXT,                             -- likewise; taken on the kiosk only
    language    TEXT,                             -- NULL: the site's
    active      INTEGER NOT NULL DEFAULT 1,       -- accounts are never removed: the audit trail names them
    failures    INTEGER NOT NULL DEFAULT 0,       -- wrong tries in a row
    locked_boot TEXT,                             -- no try is looked at before this moment of this boot
    locked_ns   INTEGER,
    created_utc TEXT    NOT NULL
) STRICT;

CREATE TABLE sessions (
    token      TEXT    PRIMARY KEY,               -- sha256 of the cookie
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    kiosk      INTEGER NOT NULL,
    begun_utc  TEXT    NOT NULL,
    boot       TEXT    NOT NULL,                  -- a session does not outlive the boot it began in
    begun_ns   INTEGER NOT NULL,
    used_ns    INTEGER NOT NULL                   -- written now and then, not at every touch
) STRICT;

CREATE TABLE links (                              -- a link that signs in: for the demo, and for a forgotten password
    token      TEXT    PRIMARY KEY,               -- sha256
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    boot       TEXT    NOT NULL,
    until_ns   INTEGER NOT NULL,
    once       INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    name        TEXT PRIMARY KEY,
    value       TEXT NOT NULL,                    -- JSON
    changed_utc TEXT NOT NULL
) STRICT;

-- The outcome of the newest analysis, beside the image, so that a filter needs no join.
ALTER TABLE images ADD COLUMN outcome TEXT;
UPDATE images SET outcome = (SELECT outcome FROM analyses WHERE image_id = images.id ORDER BY id DESC LIMIT 1);
CREATE INDEX images_by_outcome ON images (outcome, id);
CREATE TRIGGER analyses_tell_the_outcome AFTER INSERT ON analyses BEGIN
    UPDATE images SET outcome = NEW.outcome WHERE id = NEW.image_id;
END;
CREATE INDEX images_by_moment ON images (received_utc, id);

ALTER TABLE images ADD COLUMN patient_id TEXT
    GENERATED ALWAYS AS (json_extract(header, '$.identity.patient_id')) VIRTUAL;
CREATE INDEX images_by_patient ON images (patient_id, id);

-- Every word of a name, an identifier or an accession number, by its beginning, accents aside.
CREATE VIRTUAL TABLE image_words USING fts5 (words, tokenize = 'unicode61 remove_diacritics 2', prefix = '1 2 3 4');
INSERT INTO image_words (rowid, words)
    SELECT id, json_extract(header, '$.identity.patient_name') || ' ' || json_extract(header, '$.identity.patient_id')
               || ' ' || json_extract(header, '$.identity.accession_number')
    FROM images WHERE header IS NOT NULL;
CREATE TRIGGER images_tell_their_words AFTER UPDATE OF header ON images WHEN NEW.header IS NOT NULL BEGIN
    DELETE FROM image_words WHERE rowid = NEW.id;
    INSERT INTO image_words (rowid, words) VALUES (NEW.id,
        json_extract(NEW.header, '$.identity.patient_name') || ' ' || json_extract(NEW.header, '$.identity.patient_id')
        || ' ' || json_extract(NEW.header, '$.identity.accession_number'));
END;

-- What waits and what is in trouble is little; what is confirmed is nearly everything.
CREATE INDEX parcels_by_state ON parcels (destination, state);
CREATE INDEX parcels_in_trouble ON parcels (id) WHERE state = 'held' OR (state != 'confirmed' AND reason IS NOT NULL);
