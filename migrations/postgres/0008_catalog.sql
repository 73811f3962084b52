-- Slugs that were given up, the order of images and what is on them, and reviews in one list.

-- A slug of before leads to its product, unless a product has it today.
CREATE TABLE old_product_slugs (
    slug       TEXT   PRIMARY KEY NOT NULL,
    product_id BIGINT NOT NULL REFERENCES products (id) ON DELETE CASCADE
);
CREATE INDEX old_product_slugs_by_product ON old_product_slugs (product_id);

ALTER TABLE product_images ADD COLUMN alt TEXT NOT NULL DEFAULT '';
-- Those with less come first, of those with as much the older ones: images of before stay in their order.
ALTER TABLE product_images ADD COLUMN position BIGINT NOT NULL DEFAULT 0;

CREATE INDEX reviews_by_creation ON reviews (created_at DESC, id DESC);
CREATE INDEX reviews_by_user ON reviews (user_id, created_at DESC, id DESC);
