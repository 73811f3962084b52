-- What was received of a payment, which may not be what was asked for; and every refund of it, whoever made it.

ALTER TABLE payments ADD COLUMN captured BIGINT NOT NULL DEFAULT 0;  -- what the provider received
UPDATE payments SET captured = amount WHERE status IN ('captured', 'partially_refunded', 'refunded');

ALTER TABLE refunds DROP CONSTRAINT refunds_reason_check;
ALTER TABLE refunds ADD CONSTRAINT refunds_reason_check
    CHECK (reason IN ('requested', 'order_cancelled', 'late_money', 'underpaid', 'overpaid', 'at_provider'));

-- What was given back at the provider was a mere sum until now. It is a row without the provider's id until the provider is
-- asked for its refunds, which the next comparison does.
INSERT INTO refunds (id, payment_id, status, amount, reason, provider_key, created_at, updated_at)
SELECT p.id, p.id, 'succeeded', p.refunded - COALESCE(made.amount, 0), 'at_provider', 'at-provider-' || CAST(p.id AS TEXT), p.updated_at, p.updated_at
FROM payments p
LEFT JOIN (SELECT payment_id, CAST(SUM(amount) AS BIGINT) AS amount FROM refunds WHERE status = 'succeeded' GROUP BY payment_id) made
       ON made.payment_id = p.id
WHERE p.refunded > COALESCE(made.amount, 0);
UPDATE payments SET compared_at = NULL
WHERE id IN (SELECT payment_id FROM refunds WHERE reason = 'at_provider') AND transaction_id IS NOT NULL;
