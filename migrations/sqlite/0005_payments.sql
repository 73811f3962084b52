-- What was received of a payment, which may not be what was asked for; and every refund of it, whoever made it.

ALTER TABLE payments ADD COLUMN captured BIGINT NOT NULL DEFAULT 0;  -- what the provider received
UPDATE payments SET captured = amount WHERE status IN ('captured', 'partially_refunded', 'refunded');

-- The same table with more reasons.
CREATE TABLE refunds_with_reasons (
    id             BLOB PRIMARY KEY NOT NULL,
    payment_id     BLOB NOT NULL REFERENCES payments (id),
    status         TEXT    NOT NULL CHECK (status IN ('queued', 'processing', 'succeeded', 'failed')),
    amount         BIGINT  NOT NULL CHECK (amount > 0),
    reason         TEXT    NOT NULL CHECK (reason IN ('requested', 'order_cancelled', 'late_money', 'underpaid', 'overpaid', 'at_provider')),
    provider_key   TEXT    NOT NULL UNIQUE,  -- sent as the provider's idempotency key; stored before the first call
    first_call_at  INTEGER,  -- when the key was first used
    transaction_id TEXT,    -- the provider's id of it
    failure        TEXT,    -- why it failed, in words
    asked_at       INTEGER,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
);
INSERT INTO refunds_with_reasons
SELECT id, payment_id, status, amount, reason, provider_key, first_call_at, transaction_id, failure, asked_at, created_at, updated_at
FROM refunds;
DROP TABLE refunds;
ALTER TABLE refunds_with_reasons RENAME TO refunds;
CREATE INDEX refunds_by_payment ON refunds (payment_id, created_at);
CREATE INDEX refunds_open ON refunds (created_at) WHERE status IN ('queued', 'processing');

-- What was given back at the provider was a mere sum until now. It is a row without the provider's id until the provider is
-- asked for its refunds, which the next comparison does.
INSERT INTO refunds (id, payment_id, status, amount, reason, provider_key, created_at, updated_at)
SELECT p.id, p.id, 'succeeded', p.refunded - COALESCE(made.amount, 0), 'at_provider', 'at-provider-' || HEX(p.id), p.updated_at, p.updated_at
FROM payments p
LEFT JOIN (SELECT payment_id, CAST(SUM(amount) AS BIGINT) AS amount FROM refunds WHERE status = 'succeeded' GROUP BY payment_id) made
       ON made.payment_id = p.id
WHERE p.refunded > COALESCE(made.amount, 0);
UPDATE payments SET compared_at = NULL
WHERE id IN (SELECT payment_id FROM refunds WHERE reason = 'at_provider') AND transaction_id IS NOT NULL;
