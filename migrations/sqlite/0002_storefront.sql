-- What makes a shop a shop: reviews, wishlists, the letters and links of accounts, and the story of each order.

CREATE TABLE reviews (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id BIGINT  NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    user_id    BIGINT  NOT NULL REFERENCES users (id),
    rating     BIGINT  NOT NULL CHECK (rating BETWEEN 1 AND 5),
    comment    TEXT    NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (product_id, user_id)
);
CREATE INDEX reviews_by_product ON reviews (product_id, created_at DESC, id DESC);

CREATE TABLE wishlist_entries (
    user_id    BIGINT  NOT NULL REFERENCES users (id),
    product_id BIGINT  NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    added_at   INTEGER NOT NULL,
    PRIMARY KEY (user_id, product_id)
);
CREATE INDEX wishlist_entries_by_product ON wishlist_entries (product_id);

-- The secret of a link in an e-mail, hashed. Each works once.
CREATE TABLE email_tokens (
    token_hash BLOB    PRIMARY KEY NOT NULL,
    user_id    BIGINT  NOT NULL REFERENCES users (id),
    purpose    TEXT    NOT NULL CHECK (purpose IN ('verify_email', 'reset_password')),
    expires_at INTEGER NOT NULL
);
CREATE INDEX email_tokens_by_user ON email_tokens (user_id, purpose);
CREATE INDEX email_tokens_by_expiry ON email_tokens (expires_at);

-- What left, by Message-ID, so that a job that runs again does not send it again.
CREATE TABLE sent_letters (
    message_id TEXT    PRIMARY KEY NOT NULL,
    sent_at    INTEGER NOT NULL
);
CREATE INDEX sent_letters_by_age ON sent_letters (sent_at);

-- What happened to an order, in the order it happened: written while the order's row is locked, so that a reader who
-- has seen one id has seen all smaller ones of that order.
CREATE TABLE order_events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id   BIGINT  NOT NULL REFERENCES orders (id),
    kind       TEXT    NOT NULL CHECK (kind IN ('order', 'payment')),
    data       TEXT    NOT NULL,  -- JSON, as it was at that moment
    created_at INTEGER NOT NULL
);
CREATE INDEX order_events_by_order ON order_events (order_id, id);
CREATE INDEX order_events_by_age ON order_events (created_at);

ALTER TABLE product_images ADD COLUMN thumbnail TEXT;  -- a file of ours; null: the image itself is shown
ALTER TABLE stock_movements ADD COLUMN note TEXT;      -- an admin's own words for the reason

-- First and last name, lower-cased: what an admin searches by.
ALTER TABLE users ADD COLUMN search_name TEXT NOT NULL DEFAULT '';
UPDATE users SET search_name = LOWER(first_name || ' ' || last_name);

-- The day an order was placed, counted from 1970-01-01 in UTC: what the dashboard groups by.
ALTER TABLE orders ADD COLUMN day INTEGER NOT NULL GENERATED ALWAYS AS (created_at / 86400000000) VIRTUAL;

-- What the dashboard and the admin's lists look for.
CREATE INDEX users_by_age ON users (created_at DESC, id DESC);
CREATE INDEX orders_by_day ON orders (day, status, total_price);
CREATE INDEX orders_by_status ON orders (status, created_at DESC, id DESC);
CREATE INDEX products_by_stock ON products (stock, id) WHERE is_active;

-- What the sweeps look for.
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE state = 'done';
CREATE INDEX carts_left_behind ON carts (updated_at) WHERE user_id IS NULL;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
CREATE INDEX webhooks_by_age ON webhooks (created_at);

-- What would else be found by reading whole tables: open jobs among the done, admins among users, who shows a file.
CREATE INDEX jobs_open ON jobs (queue, state, due_at) WHERE state <> 'done';
CREATE INDEX users_who_are_admins ON users (id) WHERE role = 'admin';
CREATE INDEX product_images_by_file ON product_images (file);
