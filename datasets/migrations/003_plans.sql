-- Saved plans. A row is never changed: saving, deleting and undoing each add the next revision, and the primary
-- key lets only one of two people who save at the same time have it.
CREATE TABLE plan_revisions (
    plan_id VARCHAR NOT NULL,
    revision INTEGER NOT NULL CHECK (revision > 0),
    name VARCHAR NOT NULL,
    author VARCHAR NOT NULL,
    saved_at TIMESTAMP NOT NULL,
    deleted BOOLEAN NOT NULL,
    model VARCHAR NOT NULL,
    gpu VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    document VARCHAR NOT NULL,
    PRIMARY KEY (plan_id, revision)
);

CREATE VIEW plans AS
SELECT * EXCLUDE (document)
FROM plan_revisions
QUALIFY row_number() OVER (PARTITION BY plan_id ORDER BY revision DESC) = 1;

-- What each browser session was working on, so that a refresh loses nothing.
CREATE TABLE plan_drafts (
    draft_id VARCHAR PRIMARY KEY,
    saved_at TIMESTAMP NOT NULL,
    document VARCHAR NOT NULL
);
