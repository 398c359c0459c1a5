-- How many images and parcels are in each state, kept in step by the database itself: a page never counts them all.

CREATE TABLE image_counts (
    state TEXT    PRIMARY KEY,
    n     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO image_counts (state, n) SELECT state, count(*) FROM images GROUP BY state;
CREATE TRIGGER images_are_counted AFTER INSERT ON images BEGIN
    INSERT INTO image_counts (state, n) VALUES (NEW.state, 1) ON CONFLICT (state) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER images_are_counted_again AFTER UPDATE OF state ON images WHEN NEW.state != OLD.state BEGIN
    UPDATE image_counts SET n = n - 1 WHERE state = OLD.state;
    INSERT INTO image_counts (state, n) VALUES (NEW.state, 1) ON CONFLICT (state) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER images_are_counted_off AFTER DELETE ON images BEGIN
    UPDATE image_counts SET n = n - 1 WHERE state = OLD.state;
END;

CREATE TABLE parcel_counts (
    destination TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    n           INTEGER NOT NULL,
    PRIMARY KEY (destination, state)
) STRICT, WITHOUT ROWID;
INSERT INTO parcel_counts (destination, state, n)
    SELECT destination, state, count(*) FROM parcels GROUP BY destination, state;
CREATE TRIGGER parcels_are_counted AFTER INSERT ON parcels BEGIN
    INSERT INTO parcel_counts (destination, state, n) VALUES (NEW.destination, NEW.state, 1)
        ON CONFLICT (destination, state) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER parcels_are_counted_again AFTER UPDATE OF state ON parcels WHEN NEW.state != OLD.state BEGIN
    UPDATE parcel_counts SET n = n - 1 WHERE destination = OLD.destination AND state = OLD.state;
    INSERT INTO parcel_counts (destination, state, n) VALUES (NEW.destination, NEW.state, 1)
        ON CONFLICT (destination, state) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER parcels_are_counted_off AFTER DELETE ON parcels BEGIN
    UPDATE parcel_counts SET n = n - 1 WHERE destination = OLD.destination AND state = OLD.state;
END;

-- It served the counting alone.
DROP INDEX parcels_by_state;
