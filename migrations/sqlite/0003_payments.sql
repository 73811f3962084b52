-- Payments by every provider, refunds in parts, and the comparison with what the providers say.

ALTER TABLE payments ADD COLUMN approval_url TEXT;  -- where the buyer agrees, while they have to
ALTER TABLE payments ADD COLUMN capture_id TEXT;    -- what the provider refunds: its charge or capture
ALTER TABLE payments ADD COLUMN asked_at INTEGER;  -- when the provider was last asked unprompted
ALTER TABLE payments ADD COLUMN compared_at INTEGER;  -- when it was last compared with the provider's books
ALTER TABLE payments ADD COLUMN difference TEXT;    -- JSON: what that comparison found; null: nothing
CREATE INDEX payments_by_capture ON payments (provider, capture_id) WHERE capture_id IS NOT NULL;
CREATE INDEX payments_to_ask ON payments (asked_at) WHERE status IN ('queued', 'processing', 'requires_action', 'failed', 'cancelled');
CREATE INDEX payments_different ON payments (updated_at) WHERE difference IS NOT NULL;
CREATE INDEX payments_by_update ON payments (updated_at);

CREATE TABLE refunds (
    id             BLOB PRIMARY KEY NOT NULL,
    payment_id     BLOB NOT NULL REFERENCES payments (id),
    status         TEXT    NOT NULL CHECK (status IN ('queued', 'processing', 'succeeded', 'failed')),
    amount         BIGINT  NOT NULL CHECK (amount > 0),
    reason         TEXT    NOT NULL CHECK (reason IN ('requested', 'order_cancelled', 'late_money')),
    provider_key   TEXT    NOT NULL UNIQUE,  -- sent as the provider's idempotency key; stored before the first call
    first_call_at  INTEGER,  -- when the key was first used
    transaction_id TEXT,    -- the provider's id of it
    failure        TEXT,    -- why it failed, in words
    asked_at       INTEGER,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
);
CREATE INDEX refunds_by_payment ON refunds (payment_id, created_at);
CREATE INDEX refunds_open ON refunds (created_at) WHERE status IN ('queued', 'processing');

-- The last comparison of payments with the providers' books, one row.
CREATE TABLE payment_reconciliation (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    checked_at INTEGER NOT NULL,
    payments   BIGINT  NOT NULL  -- how many it compared
);

CREATE INDEX webhooks_unprocessed ON webhooks (id) WHERE processed_at IS NULL;
