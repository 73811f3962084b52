-- Descriptions that were imported as HTML.

-- Cleaned, beside the plain text in `description`, which is what search reads; null: there is only the text.
ALTER TABLE products ADD COLUMN description_html TEXT;
