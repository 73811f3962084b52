-- How long things may take: payments that a bank is processing, payments whose job is gone. And the currency of prices.

-- Since when the provider, which has accepted the payment, is processing it; null: it is not, or nobody has heard so.
ALTER TABLE payments ADD COLUMN processing_since TIMESTAMPTZ;
CREATE INDEX payments_processing ON payments (processing_since) WHERE processing_since IS NOT NULL;
CREATE INDEX payments_queued ON payments (id) WHERE status = 'queued';

-- What was `processing` online until now had been accepted. It gets the default time, as if it had been heard of now.
UPDATE orders SET held_until = held_until + INTERVAL '21 days'
WHERE status = 'pending' AND held_until IS NOT NULL AND EXISTS (
    SELECT 1 FROM payments p WHERE p.order_id = orders.id AND p.status = 'processing' AND p.provider <> 'cash_on_delivery');
UPDATE payments SET processing_since = updated_at WHERE status = 'processing' AND provider <> 'cash_on_delivery';

-- The job of a payment is known by its key, so that one which is gone can be told from one which waits.
UPDATE jobs SET unique_key = 'payments.pay:' || SUBSTR(payload, 13, 36)
WHERE kind = 'payments.pay' AND state <> 'done' AND unique_key IS NULL;

-- The currency that the prices of all products are in, one row, written by the first start.
CREATE TABLE price_currency (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    currency TEXT NOT NULL
);

-- The dashboard adds up one currency.
DROP INDEX orders_by_day;
CREATE INDEX orders_by_day ON orders (day, status, currency, total_price);
