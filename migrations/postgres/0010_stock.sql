-- The stock in a narrow table of its own: a sale writes a few bytes, no index, and mostly within the same page.
CREATE TABLE stock (
    product_id BIGINT PRIMARY KEY REFERENCES products (id) ON DELETE CASCADE,
    units      BIGINT NOT NULL CHECK (units BETWEEN 0 AND 2147483647)
) WITH (fillfactor = 50);
INSERT INTO stock (product_id, units) SELECT id, stock FROM products;
DROP INDEX products_by_stock;
ALTER TABLE products DROP COLUMN stock;
