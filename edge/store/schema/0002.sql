-- Orders from the clinic's worklist, what was done for them, and storage commitments asked of archives.

CREATE TABLE orders (
    id                 INTEGER PRIMARY KEY,
    study_instance_uid TEXT    NOT NULL,
    step_id            TEXT    NOT NULL,            -- scheduled procedure step ID
    procedure_id       TEXT    NOT NULL,            -- requested procedure ID
    accession_number   TEXT    NOT NULL,
    patient_id         TEXT    NOT NULL,
    patient_name       TEXT    NOT NULL,
    patient_birth_date TEXT    NOT NULL,
    patient_sex        TEXT    NOT NULL,
    side               TEXT    NOT NULL CHECK (side IN ('L', 'R', 'B', 'U')),
    modality           TEXT    NOT NULL,
    description        TEXT    NOT NULL,
    scheduled          TEXT    NOT NULL,            -- local time as the worklist wrote it, ISO 8601 or ''
    item               BLOB    NOT NULL,            -- the whole answer, implicit VR little endian
    listed             INTEGER NOT NULL,            -- 1: in the newest complete answer of the worklist
    seen_utc           TEXT    NOT NULL,            -- when the worklist listed it last
    state              TEXT    NOT NULL CHECK (state IN ('open', 'picked', 'completed', 'discontinued')),
    picked_utc         TEXT,
    picked_boot        TEXT,
    picked_ns          INTEGER,
    ended_utc          TEXT,
    ended_ns           INTEGER,
    UNIQUE (study_instance_uid, step_id)
) STRICT;
CREATE UNIQUE INDEX orders_one_is_picked ON orders (state) WHERE state = 'picked';
CREATE INDEX orders_by_accession ON orders (accession_number) WHERE accession_number != '';

CREATE TABLE worklist (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    wanted       INTEGER NOT NULL DEFAULT 0,        -- 1: a person asked for it to be read now
    asked_utc    TEXT,
    answered_utc TEXT,                              -- the newest complete answer
    reason       TEXT                               -- code: why the newest question failed; NULL when it did not
) STRICT;
INSERT INTO worklist (id) VALUES (1);

CREATE TABLE order_images (
    image_id    INTEGER PRIMARY KEY REFERENCES images (id),
    order_id    INTEGER NOT NULL REFERENCES orders (id),
    verdict     TEXT    NOT NULL CHECK (verdict IN ('agrees', 'differs', 'refused')),
    evidence    TEXT    NOT NULL CHECK (evidence IN ('accession', 'picked')),
    differences TEXT    NOT NULL,                   -- JSON list of the names of what differs
    looked      INTEGER NOT NULL DEFAULT 0,         -- 1: the side seen in the picture was compared too
    judged_utc  TEXT    NOT NULL
) STRICT;
CREATE INDEX order_images_by_order ON order_images (order_id);

CREATE TABLE performed_steps (
    id               INTEGER PRIMARY KEY,
    order_id         INTEGER NOT NULL UNIQUE REFERENCES orders (id),
    sop_instance_uid TEXT    NOT NULL UNIQUE,
    state            TEXT    NOT NULL CHECK (state IN ('begin', 'running', 'end', 'ended', 'held')),
    outcome          TEXT             CHECK (outcome IN ('COMPLETED', 'DISCONTINUED')),
    started_utc      TEXT    NOT NULL,
    attempts         INTEGER NOT NULL DEFAULT 0,
    reason           TEXT,
    detail           TEXT,
    due_boot         TEXT    NOT NULL,
    due_ns           INTEGER NOT NULL
) STRICT;

CREATE TABLE commitments (
    transaction_uid TEXT    NOT NULL,
    parcel_id       INTEGER NOT NULL REFERENCES parcels (id),
    state           TEXT    NOT NULL CHECK (state IN ('asked', 'committed', 'failed', 'unanswered')),
    failure         INTEGER,                        -- failure reason (0008,1197)
    asked_utc       TEXT    NOT NULL,
    PRIMARY KEY (transaction_uid, parcel_id)
) STRICT;
CREATE INDEX commitments_by_parcel ON commitments (parcel_id);
