-- The whole shop. The same tables stand in migrations/postgres; a test compares them column by column.
-- Moments are microseconds since 1970 (UTC), money is integer minor units, random ids are 16-byte UUIDs.

CREATE TABLE users (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    username       TEXT    NOT NULL,
    username_key   TEXT    NOT NULL UNIQUE,  -- lower-cased: names are matched without regard to case
    email          TEXT    NOT NULL,
    email_key      TEXT    NOT NULL UNIQUE,
    password_hash  TEXT    NOT NULL,
    role           TEXT    NOT NULL CHECK (role IN ('customer', 'admin')),
    first_name     TEXT    NOT NULL DEFAULT '',
    last_name      TEXT    NOT NULL DEFAULT '',
    phone_number   TEXT    NOT NULL DEFAULT '',
    address        TEXT    NOT NULL DEFAULT '',
    city           TEXT    NOT NULL DEFAULT '',
    country        TEXT    NOT NULL DEFAULT '',
    email_verified BOOLEAN NOT NULL DEFAULT FALSE,
    is_active      BOOLEAN NOT NULL DEFAULT TRUE,
    created_at     INTEGER NOT NULL
);

CREATE TABLE sessions (
    id         BLOB    PRIMARY KEY NOT NULL,
    user_id    BIGINT  NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    ended_at   INTEGER
);
CREATE INDEX sessions_by_user ON sessions (user_id) WHERE ended_at IS NULL;

-- Every refresh token a session ever had, hashed: a spent one that comes back gives the thief away.
CREATE TABLE refresh_tokens (
    token_hash BLOB    PRIMARY KEY NOT NULL,
    session_id BLOB    NOT NULL REFERENCES sessions (id),
    expires_at INTEGER NOT NULL,
    spent_at   INTEGER
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

CREATE TABLE categories (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL,
    search_name TEXT NOT NULL,  -- lower-cased
    slug        TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT ''
);

CREATE TABLE brands (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL,
    search_name TEXT NOT NULL,
    slug        TEXT NOT NULL UNIQUE,
    logo        TEXT
);

CREATE TABLE products (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL,
    slug         TEXT    NOT NULL UNIQUE,
    description  TEXT    NOT NULL DEFAULT '',
    price        BIGINT  NOT NULL CHECK (price BETWEEN 0 AND 999999999999),
    stock        BIGINT  NOT NULL CHECK (stock BETWEEN 0 AND 2147483647),
    is_active    BOOLEAN NOT NULL DEFAULT TRUE,
    category_id  BIGINT  REFERENCES categories (id),
    brand_id     BIGINT  REFERENCES brands (id),
    sku          TEXT    UNIQUE,            -- the key of imports
    rating_sum   BIGINT  NOT NULL DEFAULT 0,
    review_count BIGINT  NOT NULL DEFAULT 0,
    search_name  TEXT    NOT NULL,          -- the name, lower-cased
    search_text  TEXT    NOT NULL,          -- name and description, lower-cased
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
);
CREATE INDEX products_by_category ON products (category_id);
CREATE INDEX products_by_brand ON products (brand_id);
CREATE INDEX products_by_price ON products (price, id);
CREATE INDEX products_by_creation ON products (created_at DESC, id DESC);
CREATE INDEX products_by_name ON products (search_name, id);

-- Finds a piece of text anywhere in a word. The text is lower-cased already, by rules both engines share.
CREATE VIRTUAL TABLE product_search USING fts5 (
    search_text, content = 'products', content_rowid = 'id', tokenize = 'trigram case_sensitive 1', detail = 'full'
);
CREATE TRIGGER products_search_insert AFTER INSERT ON products BEGIN
    INSERT INTO product_search (rowid, search_text) VALUES (new.id, new.search_text);
END;
CREATE TRIGGER products_search_delete AFTER DELETE ON products BEGIN
    INSERT INTO product_search (product_search, rowid, search_text) VALUES ('delete', old.id, old.search_text);
END;
CREATE TRIGGER products_search_update AFTER UPDATE OF search_text ON products BEGIN
    INSERT INTO product_search (product_search, rowid, search_text) VALUES ('delete', old.id, old.search_text);
    INSERT INTO product_search (rowid, search_text) VALUES (new.id, new.search_text);
END;

CREATE TABLE product_images (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id BIGINT  NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    file       TEXT    NOT NULL,  -- a file of ours under /media, or an http(s) address from an import
    created_at INTEGER NOT NULL
);
CREATE INDEX product_images_by_product ON product_images (product_id, id);

CREATE TABLE carts (
    id         BLOB    PRIMARY KEY NOT NULL,
    user_id    BIGINT  UNIQUE REFERENCES users (id),  -- null: anonymous
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);

CREATE TABLE cart_items (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    cart_id    BLOB    NOT NULL REFERENCES carts (id) ON DELETE CASCADE,
    product_id BIGINT  NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    quantity   BIGINT  NOT NULL CHECK (quantity BETWEEN 1 AND 9999),
    UNIQUE (cart_id, product_id)
);
CREATE INDEX cart_items_by_product ON cart_items (product_id);

CREATE TABLE orders (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    order_number      TEXT    NOT NULL UNIQUE,
    user_id           BIGINT  NOT NULL REFERENCES users (id),
    status            TEXT    NOT NULL CHECK (status IN ('pending', 'confirmed', 'shipped', 'delivered', 'cancelled')),
    payment_status    TEXT    NOT NULL CHECK (payment_status IN ('unpaid', 'processing', 'paid', 'failed', 'refunded')),
    payment_method    TEXT    NOT NULL,
    shipping_address  TEXT    NOT NULL,
    currency          TEXT    NOT NULL,
    total_price       BIGINT  NOT NULL CHECK (total_price BETWEEN 0 AND 999999999999),
    held_until        INTEGER,  -- an unpaid online order gives its stock back then; null: it never does
    confirmation_sent INTEGER,  -- when the mail server took the confirmation
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL
);
CREATE INDEX orders_by_user ON orders (user_id, created_at DESC, id DESC);
CREATE INDEX orders_by_creation ON orders (created_at DESC, id DESC);
CREATE INDEX orders_held ON orders (held_until) WHERE held_until IS NOT NULL;

-- Keeps the name and price of the moment of purchase.
CREATE TABLE order_lines (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id   BIGINT  NOT NULL REFERENCES orders (id),
    product_id BIGINT  NOT NULL REFERENCES products (id),
    name       TEXT    NOT NULL,
    price      BIGINT  NOT NULL,
    quantity   BIGINT  NOT NULL CHECK (quantity > 0),
    UNIQUE (order_id, product_id)
);
CREATE INDEX order_lines_by_product ON order_lines (product_id);

-- Every change of every product's stock; stock is always their sum.
CREATE TABLE stock_movements (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id BIGINT  NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    delta      BIGINT  NOT NULL,
    reason     TEXT    NOT NULL,
    order_id   BIGINT  REFERENCES orders (id),
    created_at INTEGER NOT NULL
);
CREATE INDEX stock_movements_by_product ON stock_movements (product_id, id);
CREATE UNIQUE INDEX stock_movements_once ON stock_movements (order_id, product_id, reason) WHERE order_id IS NOT NULL;

-- The last check of stock against movements, one row.
CREATE TABLE stock_reconciliation (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    checked_at INTEGER NOT NULL,
    products   BIGINT  NOT NULL,
    mismatches TEXT    NOT NULL  -- JSON
);

CREATE TABLE payments (
    id              BLOB    PRIMARY KEY NOT NULL,
    order_id        BIGINT  NOT NULL REFERENCES orders (id),
    provider        TEXT    NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('queued', 'processing', 'requires_action', 'captured', 'failed', 'cancelled', 'partially_refunded', 'refunded')),
    amount          BIGINT  NOT NULL,
    refunded        BIGINT  NOT NULL DEFAULT 0,
    currency        TEXT    NOT NULL,
    payment_method  TEXT,    -- the provider's token for what the buyer pays with
    provider_key    TEXT    NOT NULL UNIQUE,  -- sent as the provider's idempotency key; stored before the first call
    first_call_at   INTEGER,  -- when the key was first used: it lives 24 h at the provider
    transaction_id  TEXT,
    client_secret   TEXT,
    failure_code    TEXT,
    failure_message TEXT,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
);
CREATE INDEX payments_by_order ON payments (order_id, created_at);
CREATE UNIQUE INDEX payments_by_transaction ON payments (provider, transaction_id) WHERE transaction_id IS NOT NULL;
-- One open payment for each order, whoever asks at the same moment.
CREATE UNIQUE INDEX payments_open ON payments (order_id) WHERE status IN ('queued', 'processing', 'requires_action');

CREATE TABLE webhooks (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    provider     TEXT    NOT NULL,
    event_id     TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    processed_at INTEGER,
    created_at   INTEGER NOT NULL,
    UNIQUE (provider, event_id)
);

CREATE TABLE idempotency_keys (
    user_id    BIGINT  NOT NULL REFERENCES users (id),
    path       TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    body_hash  BLOB    NOT NULL,
    response   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, path, key)
);

CREATE TABLE jobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    queue       TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    payload     TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('pending', 'running', 'done', 'dead')),
    attempts    BIGINT  NOT NULL DEFAULT 0,  -- claims
    failures    BIGINT  NOT NULL DEFAULT 0,  -- runs that ended in an error; claims beyond these lost their worker
    due_at      INTEGER NOT NULL,            -- pending: when it starts; running: when its lease ends
    claimed_by  TEXT,
    unique_key  TEXT    UNIQUE,
    request_id  TEXT,
    last_error  TEXT,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
);
CREATE INDEX jobs_due ON jobs (queue, due_at, id) WHERE state IN ('pending', 'running');
CREATE INDEX jobs_claimed ON jobs (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE INDEX jobs_dead ON jobs (id) WHERE state = 'dead';
