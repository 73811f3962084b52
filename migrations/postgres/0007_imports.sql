-- What the last import said of a product, so that the next one knows what has changed in the file, and not only here.
CREATE TABLE imported_products (
    product_id   BIGINT  PRIMARY KEY NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    source_key   TEXT    UNIQUE,  -- its handle and options there: `mug/red/large`; null: another product has them now
    told_stock   BIGINT,          -- what the file said of its stock; null: nothing was taken over from it
    told_by_file BOOLEAN,         -- or else it was the default for what a file has no number for
    counted      BIGINT           -- what the last inventory file said of its stock; null: there was none
);
