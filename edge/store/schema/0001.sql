-- The durable state of one appliance. Patient data lives here (images.header) and in the object files, nowhere else.
-- Moments are stored three ways: UTC, whether the clock was trusted, and the monotonic nanoseconds of a named boot.

CREATE TABLE images (
    id               INTEGER PRIMARY KEY,
    state            TEXT    NOT NULL CHECK (state IN ('received', 'admitted', 'analysed', 'reported')),
    object           TEXT    NOT NULL,            -- sha256 of the file as received
    dataset          TEXT    NOT NULL UNIQUE,     -- sha256 of the data set alone: the same image twice is one image
    bytes            INTEGER NOT NULL,
    source           TEXT    NOT NULL,            -- 'dicom:TITLE@address' or 'folder'
    sop_instance_uid TEXT,                        -- as the sender named it, NULL until a header was read
    conflicting      INTEGER NOT NULL DEFAULT 0,  -- 1: this identifier was received before with other content
    header           TEXT,                        -- JSON of edge.types.Header, from admission
    attempts         INTEGER NOT NULL DEFAULT 0,  -- analyses begun: an image that kills the worker is stopped
    exposure_id      INTEGER REFERENCES exposures (id),
    match            TEXT    NOT NULL DEFAULT 'pending'
                     CHECK (match IN ('pending', 'matched', 'ambiguous', 'unmatched')),
    candidates       TEXT    NOT NULL DEFAULT '[]',  -- JSON list of exposure ids, when ambiguous
    trouble          TEXT,                        -- code: why its report could not be made
    received_utc     TEXT    NOT NULL,
    received_trusted INTEGER NOT NULL,
    received_boot    TEXT    NOT NULL,
    received_ns      INTEGER NOT NULL
) STRICT;
CREATE INDEX images_by_state ON images (state, id);
CREATE INDEX images_by_uid ON images (sop_instance_uid);
CREATE INDEX images_by_match ON images (match, id);
CREATE UNIQUE INDEX images_by_exposure ON images (exposure_id) WHERE exposure_id IS NOT NULL;  -- one image each

CREATE TABLE analyses (
    id            INTEGER PRIMARY KEY,
    image_id      INTEGER NOT NULL REFERENCES images (id),
    outcome       TEXT    NOT NULL CHECK (outcome IN ('findings', 'no_findings', 'not_analysed')),
    analysis      TEXT    NOT NULL,               -- JSON, edge.wire
    picture       TEXT,                           -- object: the film as PNG
    made_utc      TEXT    NOT NULL,
    made_trusted  INTEGER NOT NULL,
    made_boot     TEXT    NOT NULL,
    made_ns       INTEGER NOT NULL
) STRICT;
CREATE INDEX analyses_by_image ON analyses (image_id, id);

CREATE TABLE reports (
    id               INTEGER PRIMARY KEY,
    analysis_id      INTEGER NOT NULL REFERENCES analyses (id),
    kind             TEXT    NOT NULL,
    object           TEXT    NOT NULL,
    sop_class_uid    TEXT    NOT NULL,
    sop_instance_uid TEXT    NOT NULL UNIQUE
) STRICT;
CREATE INDEX reports_by_analysis ON reports (analysis_id);

CREATE TABLE parcels (
    id               INTEGER PRIMARY KEY,
    image_id         INTEGER NOT NULL REFERENCES images (id),
    destination      TEXT    NOT NULL,
    kind             TEXT    NOT NULL,            -- 'original', 'structured-report', 'overlay'
    object           TEXT    NOT NULL,
    sop_class_uid    TEXT    NOT NULL,
    sop_instance_uid TEXT    NOT NULL,
    state            TEXT    NOT NULL CHECK (state IN ('queued', 'sent', 'confirmed', 'held')),
    attempts         INTEGER NOT NULL DEFAULT 0,
    reason           TEXT,                        -- code of the last failure
    detail           TEXT,                        -- its detail
    due_boot         TEXT    NOT NULL,            -- next try: at once after a reboot, else at due_ns
    due_ns           INTEGER NOT NULL,
    changed_utc      TEXT    NOT NULL,
    UNIQUE (object, destination)
) STRICT;
CREATE INDEX parcels_waiting ON parcels (destination, state, due_ns) WHERE state IN ('queued', 'sent');
CREATE INDEX parcels_by_image ON parcels (image_id);

CREATE TABLE exposures (
    id               INTEGER PRIMARY KEY,
    device_id        TEXT    NOT NULL,
    device_boot      INTEGER NOT NULL,
    seq              INTEGER NOT NULL,
    kvp              REAL    NOT NULL,
    tube_current_ma  REAL    NOT NULL,
    exposure_time_ms REAL    NOT NULL,
    exposure_mas     REAL    NOT NULL,
    end_code         INTEGER NOT NULL,
    mapped           INTEGER NOT NULL,            -- 1: the device's time was mapped to ours; 0: time of arrival
    at_utc           TEXT    NOT NULL,
    at_trusted       INTEGER NOT NULL,
    at_boot          TEXT    NOT NULL,
    at_ns            INTEGER NOT NULL,
    UNIQUE (device_id, device_boot, seq)
) STRICT;
CREATE INDEX exposures_by_time ON exposures (at_boot, at_ns);

CREATE TABLE unit_events (
    id          INTEGER PRIMARY KEY,
    device_id   TEXT    NOT NULL,
    device_boot INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('state', 'fault')),
    body        TEXT    NOT NULL,
    at_utc      TEXT    NOT NULL,
    UNIQUE (device_id, device_boot, seq)
) STRICT;

-- Append-only: the audit trail, and what the live screen follows. `hash` chains each event to the one before.
CREATE TABLE events (
    id      INTEGER PRIMARY KEY,
    utc     TEXT    NOT NULL,
    trusted INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    what    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    hash    TEXT    NOT NULL
) STRICT;
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events BEGIN SELECT RAISE (ABORT, 'append-only'); END;
CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events BEGIN SELECT RAISE (ABORT, 'append-only'); END;
