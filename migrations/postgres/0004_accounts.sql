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
    id         UUID        PRIMARY KEY NOT NULL,
    user_id    BIGINT      NOT NULL UNIQUE REFERENCES users (id),
    email      TEXT        NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX email_changes_by_expiry ON email_changes (expires_at);

-- An address that is an account's no more, until its reader was told.
CREATE TABLE former_emails (
    id         UUID        PRIMARY KEY NOT NULL,
    email      TEXT        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX former_emails_by_age ON former_emails (created_at);

ALTER TABLE users ADD COLUMN closed_at TIMESTAMPTZ;  -- by its user: what was theirs alone is erased

ALTER TABLE email_tokens DROP CONSTRAINT email_tokens_purpose_check;
ALTER TABLE email_tokens ADD CONSTRAINT email_tokens_purpose_check
    CHECK (purpose IN ('verify_email', 'reset_password', 'change_email'));
