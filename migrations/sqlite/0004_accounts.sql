-- Accounts: refresh tokens that answer until a successor was used, another e-mail address, and accounts that were closed.

-- Of the refresh token of the session that was used last; 0: none was. A token's is one more than that of the token it
-- was handed out for.
ALTER TABLE sessions ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE refresh_tokens ADD COLUMN generation BIGINT NOT NULL DEFAULT 1;

UPDATE refresh_tokens SET generation = (
    SELECT 1 + COUNT(*) FROM refresh_tokens o
    WHERE o.session_id = refresh_tokens.session_id
      AND (o.spent_at < refresh_tokens.spent_at OR (o.spent_at IS NOT NULL AND refresh_tokens.spent_at IS NULL)));

UPDATE sessions SET generation = COALESCE((
    SELECT MAX(t.generation) FROM refresh_tokens t WHERE t.session_id = sessions.id AND t.spent_at IS NOT NULL), 0);

-- The address a user wants to have from when they show that it is theirs.
CREATE TABLE email_changes (
    id         BLOB    PRIMARY KEY NOT NULL,
    user_id    BIGINT  NOT NULL UNIQUE REFERENCES users (id),
    email      TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX email_changes_by_expiry ON email_changes (expires_at);

-- An address that is an account's no more, until its reader was told.
CREATE TABLE former_emails (
    id         BLOB    PRIMARY KEY NOT NULL,
    email      TEXT    NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX former_emails_by_age ON former_emails (created_at);

ALTER TABLE users ADD COLUMN closed_at INTEGER;  -- by its user: what was theirs alone is erased

-- The same table with another purpose; SQLite changes no check in place.
CREATE TABLE email_tokens_with_changes (
    token_hash BLOB    PRIMARY KEY NOT NULL,
    user_id    BIGINT  NOT NULL REFERENCES users (id),
    purpose    TEXT    NOT NULL CHECK (purpose IN ('verify_email', 'reset_password', 'change_email')),
    expires_at INTEGER NOT NULL
);
INSERT INTO email_tokens_with_changes SELECT token_hash, user_id, purpose, expires_at FROM email_tokens;
DROP TABLE email_tokens;
ALTER TABLE email_tokens_with_changes RENAME TO email_tokens;
CREATE INDEX email_tokens_by_user ON email_tokens (user_id, purpose);
CREATE INDEX email_tokens_by_expiry ON email_tokens (expires_at);
