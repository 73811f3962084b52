-- What a shop of the schema of migration 0003 left behind, as the stories read it: see upgrade.rs.

INSERT INTO users (id, username, username_key, email, email_key, password_hash, role, first_name, last_name, phone_number, address, city, country, email_verified, is_active, created_at, search_name) VALUES
    (1, 'boss', 'boss', 'boss@example.com', 'boss@example.com', '$argon2id$v=19$m=19456,t=2,p=1$OeKUUcN1zgJ/XpY5kOCfLA$6aV/luw8gPVZVa0Qe9ViUafO4k0QceuN6hFc/x8aR/c', 'admin', '', '', '', '12 St James''s Square', '', '', FALSE, TRUE, moment(1736922698809214), ' '),
    (2, 'ada', 'ada', 'ada@example.com', 'ada@example.com', '$argon2id$v=19$m=19456,t=2,p=1$TLaPQb1enU8RJSjxFgRv1g$5Vm1PQF4dCqaINKqjSbV731zEpD8rdqIfG+hdkzAEyU', 'customer', 'Ada', 'Lovelace', '+44 1', '12 St James''s Square', 'London', 'United Kingdom', FALSE, TRUE, moment(1736922698809214), 'ada lovelace'),
    (3, 'lin', 'lin', 'lin@example.com', 'lin@example.com', '$argon2id$v=19$m=19456,t=2,p=1$qvgVjE9DK6vFXts7Sqpk3A$IlF2aw5/VEJRetFpG9AyoBDJ9PE9O08ecT0/XQqByGE', 'customer', 'Ada', '', '', '', '', '', FALSE, TRUE, moment(1736922698809214), 'ada '),
    (4, 'eve', 'eve', 'eve@example.com', 'eve@example.com', '$argon2id$v=19$m=19456,t=2,p=1$5luFHrKnk5Z7XgJDsZ68iw$oiqpoiGvIpUp/l/KnA5abPzDnseLF2CnF1bIRREUt84', 'customer', 'Ada', '', '', '', '', '', FALSE, TRUE, moment(1736922698809214), 'ada ');

INSERT INTO sessions (id, user_id, created_at, ended_at) VALUES
    (uuid('0974847477b84f28b58f49efc90d6216'), 1, moment(1736922698809214), NULL),
    (uuid('c19fce4d6afb4b818bfa45f3e807301b'), 2, moment(1736922698809214), NULL),
    (uuid('3ee27c3b98be47868c2583f6d6eff76c'), 2, moment(1736922698809214), moment(1736922698809214));

INSERT INTO refresh_tokens (token_hash, session_id, expires_at, spent_at) VALUES
    (bytes('14e4311fd23481de7253ac60f604c4d1ede1994cdd60a1cc8c41fea8cb27cee5'), uuid('0974847477b84f28b58f49efc90d6216'), moment(1737527498809214), NULL),
    (bytes('a92d8d4f7235143b5e5162bf2ee622e509fbfefd45912f31684978bbeaac2bb7'), uuid('c19fce4d6afb4b818bfa45f3e807301b'), moment(1737527498809214), moment(1736925595809214)),
    (bytes('1a23143e2e747b6214ea59c229f228633cd03931c981011421c8c618cd1ef4ec'), uuid('3ee27c3b98be47868c2583f6d6eff76c'), moment(1737527498809214), NULL),
    (bytes('59ae4af999f49cb5012a44f316dab1e9340f79861b1692b0c085dafa74bcfa25'), uuid('c19fce4d6afb4b818bfa45f3e807301b'), moment(1737530395809214), NULL);

INSERT INTO categories (id, name, search_name, slug, description) VALUES
    (1, 'Cups', 'cups', 'cups', 'To drink from.');

INSERT INTO brands (id, name, search_name, slug, logo) VALUES
    (1, 'Hollenbrook', 'hollenbrook', 'hollenbrook', 'a85cb7a310e14779a3525703450af477.png');

INSERT INTO products (id, name, slug, description, price, stock, is_active, category_id, brand_id, sku, rating_sum, review_count, search_name, search_text, created_at, updated_at) VALUES
    (1, 'Stoneware Mug', 'stoneware-mug', '', 1200, 72, TRUE, 1, 1, NULL, 4, 1, 'stoneware mug', 'stoneware mug
', moment(1736922698809214), moment(1736922698809214)),
    (2, 'Möbel & Pot', 'möbel-pot', 'It''s a pot.', 4550, 17, TRUE, NULL, NULL, NULL, 0, 0, 'möbel & pot', 'möbel & pot
it''s a pot.', moment(1736922698809214), moment(1736922698809214)),
    (3, 'Lamp', 'lamp', '', 999, 3, FALSE, NULL, NULL, 'LAMP-1', 0, 0, 'lamp', 'lamp
', moment(1736922698809214), moment(1736922698809214));

INSERT INTO product_images (id, product_id, file, created_at, thumbnail) VALUES
    (1, 1, '91265b3f910746d396404f3d091d3f91.png', moment(1736922698809214), '666c2ae68a4040c48d3a3c3f6a834081.jpg');

INSERT INTO carts (id, user_id, created_at, updated_at) VALUES
    (uuid('d408aeb2bff04338a53e17deb9c0bdec'), 2, moment(1736925595809214), moment(1736925595809214)),
    (uuid('17fab857cd9d43acae6ff96960c08118'), NULL, moment(1736925595809214), moment(1736925595809214));

INSERT INTO cart_items (id, cart_id, product_id, quantity) VALUES
    (1, uuid('d408aeb2bff04338a53e17deb9c0bdec'), 2, 2),
    (2, uuid('17fab857cd9d43acae6ff96960c08118'), 1, 3);

INSERT INTO orders (id, order_number, user_id, status, payment_status, payment_method, shipping_address, currency, total_price, held_until, confirmation_sent, created_at, updated_at) VALUES
    (1, '20250115-QRQX4TAS', 2, 'delivered', 'unpaid', 'cash_on_delivery', '12 St James''s Square
London', 'USD', 2400, NULL, moment(1736923003809214), moment(1736922759809214), moment(1736923003809214)),
    (2, '20250115-ZFBPDYH2', 2, 'shipped', 'unpaid', 'cash_on_delivery', '12 St James''s Square
London', 'USD', 2400, NULL, moment(1736923003809214), moment(1736922820809214), moment(1736923003809214)),
    (3, '20250115-9RJWYSYV', 2, 'confirmed', 'unpaid', 'cash_on_delivery', '12 St James''s Square
London', 'USD', 9100, NULL, moment(1736923003809214), moment(1736922881809214), moment(1736923003809214)),
    (4, '20250115-63WYDZSE', 2, 'pending', 'unpaid', 'cash_on_delivery', '12 St James''s Square
London', 'USD', 2400, NULL, moment(1736923003809214), moment(1736922942809214), moment(1736922942809214)),
    (5, '20250115-ZBZ8XKJU', 2, 'cancelled', 'unpaid', 'cash_on_delivery', '12 St James''s Square
London', 'USD', 9100, NULL, moment(1736923003809214), moment(1736923003809214), moment(1736923003809214)),
    (6, '20250115-LR7UHSKW', 2, 'confirmed', 'paid', 'stripe', '12 St James''s Square
London', 'USD', 2400, NULL, moment(1736923064809214), moment(1736923064809214), moment(1736923064809214)),
    (7, '20250115-F7NBKEJR', 2, 'confirmed', 'paid', 'stripe', '12 St James''s Square
London', 'USD', 2400, NULL, moment(1736923125809214), moment(1736923125809214), moment(1736923125809214)),
    (8, '20250115-BFUUZLJZ', 2, 'cancelled', 'refunded', 'stripe', '12 St James''s Square
London', 'USD', 2400, NULL, moment(1736923186809214), moment(1736923186809214), moment(1736923186809214)),
    (9, '20250115-2PFD33PU', 2, 'confirmed', 'paid', 'paypal', '12 St James''s Square
London', 'USD', 2400, NULL, moment(1736923247809214), moment(1736923247809214), moment(1736923247809214)),
    (10, '20250115-7LKRV9F3', 2, 'confirmed', 'paid', 'razorpay', '12 St James''s Square
London', 'USD', 2400, NULL, moment(1736923308809214), moment(1736923308809214), moment(1736923308809214)),
    (11, '20250115-3R3XC9SV', 2, 'cancelled', 'unpaid', 'stripe', '12 St James''s Square
London', 'USD', 2400, NULL, moment(1736923369809214), moment(1736923369809214), moment(1736925229809214)),
    (12, '20250115-5QQ4W3G5', 2, 'confirmed', 'paid', 'stripe', '12 St James''s Square
London', 'USD', 2400, NULL, moment(1736925290809214), moment(1736925290809214), moment(1736925290809214)),
    (13, '20250115-UHYSHAUA', 2, 'pending', 'failed', 'stripe', '12 St James''s Square
London', 'USD', 2400, moment(1736927151809214), moment(1736925351809214), moment(1736925351809214), moment(1736925351809214)),
    (14, '20250115-DB4YGBUB', 2, 'confirmed', 'paid', 'stripe', '12 St James''s Square
London', 'USD', 2400, NULL, moment(1736925412809214), moment(1736925412809214), moment(1736925412809214)),
    (15, '20250115-N6J8GXDL', 2, 'pending', 'processing', 'stripe', '12 St James''s Square
London', 'USD', 2400, moment(1736927273809214), moment(1736925473809214), moment(1736925473809214), moment(1736925473809214)),
    (16, '20250115-SGE5QNDG', 2, 'pending', 'processing', 'stripe', '12 St James''s Square
London', 'USD', 2400, moment(1736927334809214), moment(1736925534809214), moment(1736925534809214), moment(1736925534809214)),
    (17, '20250115-4RGLCT66', 2, 'pending', 'processing', 'stripe', '12 St James''s Square
London', 'USD', 2400, moment(1736927395809214), NULL, moment(1736925595809214), moment(1736925595809214)),
    (18, '20250115-2VXX7SYV', 2, 'pending', 'unpaid', 'cash_on_delivery', '12 St James''s Square
London', 'USD', 4550, NULL, NULL, moment(1736925595809214), moment(1736925595809214));

INSERT INTO order_lines (id, order_id, product_id, name, price, quantity) VALUES
    (1, 1, 1, 'Stoneware Mug', 1200, 2),
    (2, 2, 1, 'Stoneware Mug', 1200, 2),
    (3, 3, 2, 'Möbel & Pot', 4550, 2),
    (4, 4, 1, 'Stoneware Mug', 1200, 2),
    (5, 5, 2, 'Möbel & Pot', 4550, 2),
    (6, 6, 1, 'Stoneware Mug', 1200, 2),
    (7, 7, 1, 'Stoneware Mug', 1200, 2),
    (8, 8, 1, 'Stoneware Mug', 1200, 2),
    (9, 9, 1, 'Stoneware Mug', 1200, 2),
    (10, 10, 1, 'Stoneware Mug', 1200, 2),
    (11, 11, 1, 'Stoneware Mug', 1200, 2),
    (12, 12, 1, 'Stoneware Mug', 1200, 2),
    (13, 13, 1, 'Stoneware Mug', 1200, 2),
    (14, 14, 1, 'Stoneware Mug', 1200, 2),
    (15, 15, 1, 'Stoneware Mug', 1200, 2),
    (16, 16, 1, 'Stoneware Mug', 1200, 2),
    (17, 17, 1, 'Stoneware Mug', 1200, 2),
    (18, 18, 2, 'Möbel & Pot', 4550, 1);

INSERT INTO stock_movements (id, product_id, delta, reason, order_id, created_at, note) VALUES
    (1, 1, 100, 'received', NULL, moment(1736922698809214), NULL),
    (2, 2, 20, 'received', NULL, moment(1736922698809214), NULL),
    (3, 3, 3, 'received', NULL, moment(1736922698809214), NULL),
    (4, 1, -2, 'adjusted', NULL, moment(1736922698809214), 'Two broke'),
    (5, 1, -2, 'ordered', 1, moment(1736922759809214), NULL),
    (6, 1, -2, 'ordered', 2, moment(1736922820809214), NULL),
    (7, 2, -2, 'ordered', 3, moment(1736922881809214), NULL),
    (8, 1, -2, 'ordered', 4, moment(1736922942809214), NULL),
    (9, 2, -2, 'ordered', 5, moment(1736923003809214), NULL),
    (10, 2, 2, 'returned', 5, moment(1736923003809214), NULL),
    (11, 1, -2, 'ordered', 6, moment(1736923064809214), NULL),
    (12, 1, -2, 'ordered', 7, moment(1736923125809214), NULL),
    (13, 1, -2, 'ordered', 8, moment(1736923186809214), NULL),
    (14, 1, 2, 'returned', 8, moment(1736923186809214), NULL),
    (15, 1, -2, 'ordered', 9, moment(1736923247809214), NULL),
    (16, 1, -2, 'ordered', 10, moment(1736923308809214), NULL),
    (17, 1, -2, 'ordered', 11, moment(1736923369809214), NULL),
    (18, 1, 2, 'returned', 11, moment(1736925229809214), NULL),
    (19, 1, -2, 'ordered', 12, moment(1736925290809214), NULL),
    (20, 1, -2, 'ordered', 13, moment(1736925351809214), NULL),
    (21, 1, -2, 'ordered', 14, moment(1736925412809214), NULL),
    (22, 1, -2, 'ordered', 15, moment(1736925473809214), NULL),
    (23, 1, -2, 'ordered', 16, moment(1736925534809214), NULL),
    (24, 1, -2, 'ordered', 17, moment(1736925595809214), NULL),
    (25, 2, -1, 'ordered', 18, moment(1736925595809214), NULL);

INSERT INTO stock_reconciliation (id, checked_at, products, mismatches) VALUES
    (1, moment(1736925351809214), 3, '[]');

INSERT INTO payments (id, order_id, provider, status, amount, refunded, currency, payment_method, provider_key, first_call_at, transaction_id, client_secret, failure_code, failure_message, created_at, updated_at, capture_id, compared_at) VALUES
    (uuid('56f0e4cb55484647b59a9b061d81993b'), 6, 'stripe', 'captured', 2400, 0, 'USD', 'pm_card_visa', 'payment-56f0e4cb-5548-4647-b59a-9b061d81993b-1', moment(1736923064809214), 'pi_ecb60c9084c901d025cd', NULL, NULL, NULL, moment(1736923064809214), moment(1736923064809214), NULL, moment(1736925351809214)),
    (uuid('38dc940f24ad4f8990c5af5b7aade7a3'), 7, 'stripe', 'partially_refunded', 2400, 500, 'USD', 'pm_card_visa', 'payment-38dc940f-24ad-4f89-90c5-af5b7aade7a3-1', moment(1736923125809214), 'pi_d41fb72e2bd7f547c6a3', NULL, NULL, NULL, moment(1736923125809214), moment(1736923125809214), NULL, moment(1736925351809214)),
    (uuid('8012d03d33d842de8009ff60a33ef273'), 8, 'stripe', 'refunded', 2400, 2400, 'USD', 'pm_card_visa', 'payment-8012d03d-33d8-42de-8009-ff60a33ef273-1', moment(1736923186809214), 'pi_3e2a6ff4488dfd4de9a6', NULL, NULL, NULL, moment(1736923186809214), moment(1736923186809214), NULL, moment(1736925351809214)),
    (uuid('48a212f07e53402ba20b0a6d84f5f3a0'), 9, 'paypal', 'captured', 2400, 0, 'USD', NULL, 'payment-48a212f0-7e53-402b-a20b-0a6d84f5f3a0-1', moment(1736923247809214), '3024B4E97E23B155C', NULL, NULL, NULL, moment(1736923247809214), moment(1736923247809214), '7812796C15846FC85', moment(1736925351809214)),
    (uuid('77e9070c0d90486081aba2ce85d60a1e'), 10, 'razorpay', 'captured', 2400, 0, 'USD', NULL, 'payment-77e9070c-0d90-4860-81ab-a2ce85d60a1e-1', moment(1736923308809214), 'order_54463ce32feda2', NULL, NULL, NULL, moment(1736923308809214), moment(1736923308809214), 'pay_5d440c429db3c3', moment(1736925351809214)),
    (uuid('08c5fcc91dc846719f16ea8b2e977696'), 11, 'stripe', 'cancelled', 2400, 0, 'USD', NULL, 'payment-08c5fcc9-1dc8-4671-9f16-ea8b2e977696-1', moment(1736923369809214), 'pi_d64f2d15f944b95d9bb4', NULL, NULL, NULL, moment(1736923369809214), moment(1736925229809214), NULL, moment(1736925351809214)),
    (uuid('3f1dcd28f2f246629c3d9271bac9b903'), 12, 'stripe', 'captured', 2400, 0, 'USD', 'pm_card_visa', 'payment-3f1dcd28-f2f2-4662-9c3d-9271bac9b903-1', moment(1736925290809214), 'pi_b30988503cac946eb044', NULL, NULL, NULL, moment(1736925290809214), moment(1736925290809214), NULL, moment(1736925351809214)),
    (uuid('7e7b55d66bc04ab683eb0509d1d8e2ac'), 13, 'stripe', 'failed', 2400, 0, 'USD', 'pm_card_chargeDeclined', 'payment-7e7b55d6-6bc0-4ab6-83eb-0509d1d8e2ac-1', moment(1736925351809214), 'pi_0af32d554012e878cf12', NULL, 'generic_decline', 'Your card was declined.', moment(1736925351809214), moment(1736925351809214), NULL, moment(1736925351809214)),
    (uuid('9cc62322a2254b0d86f05e007c5265be'), 14, 'stripe', 'captured', 2400, 0, 'USD', 'pm_card_visa', 'payment-9cc62322-a225-4b0d-86f0-5e007c5265be-1', moment(1736925412809214), 'pi_66b5b6faaa0ca8287036', NULL, NULL, NULL, moment(1736925412809214), moment(1736925412809214), NULL, NULL),
    (uuid('4f144bcc0f754ed8bf7b8cd2154685f9'), 15, 'stripe', 'processing', 2400, 0, 'USD', 'pm_card_processing', 'payment-4f144bcc-0f75-4ed8-bf7b-8cd2154685f9-1', moment(1736925473809214), 'pi_30bac7ecee969a982549', 'pi_30bac7ecee969a982549_secret_2e434be6ddae3de7e4ed', NULL, NULL, moment(1736925473809214), moment(1736925473809214), NULL, NULL),
    (uuid('c674dc11c5bb4ce6a3b5dfc019fcb035'), 16, 'stripe', 'requires_action', 2400, 0, 'USD', NULL, 'payment-c674dc11-c5bb-4ce6-a3b5-dfc019fcb035-1', moment(1736925534809214), 'pi_6c08ea504b9569142bf9', 'pi_6c08ea504b9569142bf9_secret_af82f51f6a95aa679e6c', NULL, NULL, moment(1736925534809214), moment(1736925534809214), NULL, NULL),
    (uuid('30644595aae440fc92d3cb66d19f616f'), 17, 'stripe', 'queued', 2400, 0, 'USD', 'pm_card_visa', 'payment-30644595-aae4-40fc-92d3-cb66d19f616f-1', NULL, NULL, NULL, NULL, NULL, moment(1736925595809214), moment(1736925595809214), NULL, NULL);

INSERT INTO refunds (id, payment_id, status, amount, reason, provider_key, first_call_at, transaction_id, failure, created_at, updated_at) VALUES
    (uuid('26b750f7971e45cf97ccd40a0d37e1d2'), uuid('38dc940f24ad4f8990c5af5b7aade7a3'), 'succeeded', 500, 'requested', 'refund-26b750f7-971e-45cf-97cc-d40a0d37e1d2-1', moment(1736923125809214), 're_da1e71b0cf1bc9cea3cf', NULL, moment(1736923125809214), moment(1736923125809214)),
    (uuid('5d7b39053138475ebb024032d218e75b'), uuid('8012d03d33d842de8009ff60a33ef273'), 'succeeded', 2400, 'order_cancelled', 'refund-5d7b3905-3138-475e-bb02-4032d218e75b-1', moment(1736923186809214), 're_0d8a5f82f9eae9dc6de9', NULL, moment(1736923186809214), moment(1736923186809214)),
    (uuid('f857ccd5512747f898d884343f6f156d'), uuid('3f1dcd28f2f246629c3d9271bac9b903'), 'failed', 100, 'requested', 'refund-f857ccd5-5127-47f8-98d8-84343f6f156d-1', NULL, NULL, 'The provider refused it: charge_disputed', moment(1736925290809214), moment(1736925290809214)),
    (uuid('2e324c2e1c9c4eaba5d111ce41f823de'), uuid('9cc62322a2254b0d86f05e007c5265be'), 'queued', 200, 'requested', 'refund-2e324c2e-1c9c-4eab-a5d1-11ce41f823de-1', NULL, NULL, NULL, moment(1736925534809214), moment(1736925534809214));

INSERT INTO payment_reconciliation (id, checked_at, payments) VALUES
    (1, moment(1736925351809214), 8);

INSERT INTO webhooks (id, provider, event_id, kind, body, processed_at, created_at) VALUES
    (4, 'stripe', 'evt_f38601eb33ee5e0f3dac', 'refund.created', '{"api_version":"2026-09-30.endive","created":1736923125,"data":{"object":{"amount":500,"charge":"ch_d41fb72e2bd7f547c6a3","created":1736923125,"currency":"usd","id":"re_da1e71b0cf1bc9cea3cf","metadata":{"refund_id":"26b750f7-971e-45cf-97cc-d40a0d37e1d2"},"object":"refund","payment_intent":"pi_d41fb72e2bd7f547c6a3","status":"succeeded"}},"id":"evt_f38601eb33ee5e0f3dac","livemode":false,"object":"event","pending_webhooks":1,"request":{"id":null,"idempotency_key":null},"type":"refund.created"}', moment(1736923125809214), moment(1736923125809214)),
    (9, 'paypal', 'WH-D0090C7AF8A957B6F', 'PAYMENT.CAPTURE.COMPLETED', '{"create_time":"2025-01-15T06:40:47Z","event_type":"PAYMENT.CAPTURE.COMPLETED","event_version":"1.0","id":"WH-D0090C7AF8A957B6F","links":[],"resource":{"amount":{"currency_code":"USD","value":"24.00"},"create_time":"2025-01-15T06:40:47Z","custom_id":"48a212f0-7e53-402b-a20b-0a6d84f5f3a0","final_capture":true,"id":"7812796C15846FC85","links":[{"href":"http://127.0.0.1:45969/paypal/v2/payments/captures/7812796C15846FC85","method":"GET","rel":"self"},{"href":"http://127.0.0.1:45969/paypal/v2/payments/captures/7812796C15846FC85/refund","method":"POST","rel":"refund"},{"href":"http://127.0.0.1:45969/paypal/v2/checkout/orders/3024B4E97E23B155C","method":"GET","rel":"up"}],"status":"COMPLETED","supplementary_data":{"related_ids":{"order_id":"3024B4E97E23B155C"}},"update_time":"2025-01-15T06:40:47Z"},"resource_type":"capture","resource_version":"2.0","summary":"PAYMENT.CAPTURE.COMPLETED"}', moment(1736923247809214), moment(1736923247809214)),
    (11, 'razorpay', 'evt_0138a346145768', 'payment.captured', '{"account_id":"acc_simulator","contains":["payment"],"created_at":1736923308,"entity":"event","event":"payment.captured","payload":{"payment":{"entity":{"acquirer_data":{},"amount":2400,"amount_refunded":0,"bank":null,"captured":true,"card_id":null,"contact":"+919999999999","created_at":1736923308,"currency":"USD","description":null,"email":"buyer@example.com","entity":"payment","error_code":null,"error_description":null,"error_reason":null,"error_source":null,"error_step":null,"fee":0,"id":"pay_5d440c429db3c3","international":false,"invoice_id":null,"method":"card","notes":[],"order_id":"order_54463ce32feda2","refund_status":null,"status":"captured","tax":0,"vpa":null,"wallet":null}}}}', moment(1736923308809214), moment(1736923308809214)),
    (18, 'stripe', 'evt_1cfc3a6c28d3ad3df67e', 'payment_intent.processing', '{"api_version":"2026-09-30.endive","created":1736925595,"data":{"object":{"amount":2400,"amount_capturable":0,"amount_received":2400,"capture_method":"automatic_async","client_secret":null,"confirmation_method":"automatic","created":1736925473,"currency":"usd","id":"pi_30bac7ecee969a982549","last_payment_error":null,"latest_charge":"ch_30bac7ecee969a982549","livemode":false,"metadata":{"order_id":"15","payment_id":"4f144bcc-0f75-4ed8-bf7b-8cd2154685f9"},"object":"payment_intent","payment_method":"pm_card_processing","payment_method_types":["card"],"status":"succeeded"}},"id":"evt_1cfc3a6c28d3ad3df67e","livemode":false,"object":"event","pending_webhooks":1,"request":{"id":null,"idempotency_key":null},"type":"payment_intent.processing"}', NULL, moment(1736925595809214));

INSERT INTO idempotency_keys (user_id, path, key, body_hash, response, created_at) VALUES
    (2, '/api/orders', 'the-last-order', bytes('f633a94414640ce67b3bc122ffc0458c6d672747df925c6444bc8077498b5f30'), '{"created_at":"2025-01-15T07:19:55.809214Z","id":18,"items":[{"id":18,"name":"Möbel & Pot","price":"45.50","product":2,"quantity":1,"subtotal":"45.50"}],"order_number":"20250115-2VXX7SYV","payment_method":"cash_on_delivery","payment_status":"unpaid","shipping_address":"12 St James''s Square\nLondon","status":"pending","total_price":"45.50","updated_at":"2025-01-15T07:19:55.809214Z","user":2}', moment(1736925595809214));

INSERT INTO jobs (id, queue, kind, payload, state, attempts, failures, due_at, claimed_by, request_id, last_error, created_at, finished_at) VALUES
    (3, 'email', 'accounts.send_verification', '{"user":3,"letter":"88435e21-280c-4068-8125-ca6eb2b587d2"}', 'done', 1, 0, moment(1736922715018496), NULL, '01a1ff4b-73db-7138-a3e0-1917d89bf806', NULL, moment(1736922698809214), moment(1736922698809214)),
    (5, 'email', 'accounts.send_password_reset', '{"user":3,"letter":"615d36f4-eb96-46f1-b937-7cf6d3960d0a"}', 'done', 1, 0, moment(1736923016745984), NULL, '01a1ff4b-743e-7242-a2b9-def61fbc4942', NULL, moment(1736922698809214), moment(1736923003809214)),
    (6, 'email', 'orders.send_confirmation', '{"order":1}', 'done', 1, 0, moment(1736923020552436), NULL, '01a1ff4b-7440-77a6-bf3b-07e789ee9573', NULL, moment(1736922759809214), moment(1736923003809214)),
    (7, 'stock', 'inventory.prove_order', '{"order":1}', 'done', 1, 0, moment(1736923017055872), NULL, '01a1ff4b-7440-77a6-bf3b-07e789ee9573', NULL, moment(1736922759809214), moment(1736923003809214)),
    (8, 'email', 'orders.send_confirmation', '{"order":2}', 'done', 1, 0, moment(1736923017375010), NULL, '01a1ff4b-7446-7285-b713-b29fe7befef1', NULL, moment(1736922820809214), moment(1736923003809214)),
    (9, 'stock', 'inventory.prove_order', '{"order":2}', 'done', 1, 0, moment(1736923017990022), NULL, '01a1ff4b-7446-7285-b713-b29fe7befef1', NULL, moment(1736922820809214), moment(1736923003809214)),
    (10, 'email', 'orders.send_confirmation', '{"order":3}', 'done', 1, 0, moment(1736923019099715), NULL, '01a1ff4b-744a-747e-99a9-63b8a49a080a', NULL, moment(1736922881809214), moment(1736923003809214)),
    (11, 'stock', 'inventory.prove_order', '{"order":3}', 'done', 1, 0, moment(1736923018613598), NULL, '01a1ff4b-744a-747e-99a9-63b8a49a080a', NULL, moment(1736922881809214), moment(1736923003809214)),
    (12, 'email', 'orders.send_confirmation', '{"order":4}', 'done', 1, 0, moment(1736923020775735), NULL, '01a1ff4b-744e-7063-97a5-e4d9e8f30b89', NULL, moment(1736922942809214), moment(1736923003809214)),
    (13, 'stock', 'inventory.prove_order', '{"order":4}', 'done', 1, 0, moment(1736923015815623), NULL, '01a1ff4b-744e-7063-97a5-e4d9e8f30b89', NULL, moment(1736922942809214), moment(1736923003809214)),
    (14, 'email', 'orders.send_confirmation', '{"order":5}', 'done', 1, 0, moment(1736923019854315), NULL, '01a1ff4b-7451-713e-8616-4ace533d70ab', NULL, moment(1736923003809214), moment(1736923003809214)),
    (15, 'stock', 'inventory.prove_order', '{"order":5}', 'done', 1, 0, moment(1736923016244635), NULL, '01a1ff4b-7451-713e-8616-4ace533d70ab', NULL, moment(1736923003809214), moment(1736923003809214)),
    (16, 'email', 'orders.tell_status', '{"order":1,"status":"confirmed"}', 'done', 1, 0, moment(1736923019941108), NULL, '01a1ff4b-7455-71e0-bbf9-65128afbabfc', NULL, moment(1736923003809214), moment(1736923003809214)),
    (23, 'email', 'orders.send_confirmation', '{"order":6}', 'done', 1, 0, moment(1736923077661244), NULL, '01a1ff4b-772a-7718-adeb-f9a11de19148', NULL, moment(1736923064809214), moment(1736923064809214)),
    (24, 'stock', 'inventory.prove_order', '{"order":6}', 'done', 1, 0, moment(1736923081651470), NULL, '01a1ff4b-772a-7718-adeb-f9a11de19148', NULL, moment(1736923064809214), moment(1736923064809214)),
    (25, 'payment', 'payments.pay', '{"payment":"56f0e4cb-5548-4647-b59a-9b061d81993b"}', 'done', 1, 0, moment(1736923081203033), NULL, '01a1ff4b-772f-7505-bdf9-240d48081854', NULL, moment(1736923064809214), moment(1736923064809214)),
    (27, 'payment', 'payments.handle_webhook', '{"webhook":1}', 'done', 1, 0, moment(1736923076958364), NULL, '01a1ff4b-77a2-7013-b497-7202a04c315b', NULL, moment(1736923064809214), moment(1736923064809214)),
    (28, 'email', 'orders.send_confirmation', '{"order":7}', 'done', 1, 0, moment(1736923140615883), NULL, '01a1ff4b-77ae-7496-a24a-5663a6f1ff02', NULL, moment(1736923125809214), moment(1736923125809214)),
    (29, 'stock', 'inventory.prove_order', '{"order":7}', 'done', 1, 0, moment(1736923139265450), NULL, '01a1ff4b-77ae-7496-a24a-5663a6f1ff02', NULL, moment(1736923125809214), moment(1736923125809214)),
    (33, 'payment', 'payments.refund', '{"refund":"26b750f7-971e-45cf-97cc-d40a0d37e1d2"}', 'done', 1, 0, moment(1736923141782140), NULL, '01a1ff4b-7837-748b-a431-e1b7b2a1ede7', NULL, moment(1736923125809214), moment(1736923125809214)),
    (36, 'email', 'orders.send_confirmation', '{"order":8}', 'done', 1, 0, moment(1736923200271027), NULL, '01a1ff4b-7853-70f3-af14-8afae73f72e9', NULL, moment(1736923186809214), moment(1736923186809214)),
    (37, 'stock', 'inventory.prove_order', '{"order":8}', 'done', 1, 0, moment(1736923199047783), NULL, '01a1ff4b-7853-70f3-af14-8afae73f72e9', NULL, moment(1736923186809214), moment(1736923186809214)),
    (43, 'stock', 'orders.cancel_refunded', '{"order":8}', 'done', 1, 0, moment(1736923199927512), NULL, '01a1ff4b-78d5-7683-b6e7-49790208f93e', NULL, moment(1736923186809214), moment(1736923186809214)),
    (46, 'email', 'orders.send_confirmation', '{"order":9}', 'done', 1, 0, moment(1736923261964714), NULL, '01a1ff4b-7928-75de-819b-0f4cf5bcde35', NULL, moment(1736923247809214), moment(1736923247809214)),
    (47, 'stock', 'inventory.prove_order', '{"order":9}', 'done', 1, 0, moment(1736923262949393), NULL, '01a1ff4b-7928-75de-819b-0f4cf5bcde35', NULL, moment(1736923247809214), moment(1736923247809214)),
    (52, 'email', 'orders.send_confirmation', '{"order":10}', 'done', 1, 0, moment(1736923321096100), NULL, '01a1ff4b-79b7-76d6-9305-6d5d2b79cb0a', NULL, moment(1736923308809214), moment(1736923308809214)),
    (53, 'stock', 'inventory.prove_order', '{"order":10}', 'done', 1, 0, moment(1736923323980374), NULL, '01a1ff4b-79b7-76d6-9305-6d5d2b79cb0a', NULL, moment(1736923308809214), moment(1736923308809214)),
    (59, 'email', 'orders.send_confirmation', '{"order":11}', 'done', 1, 0, moment(1736923384680218), NULL, '01a1ff4b-7a45-71c8-a54c-563e727da6a8', NULL, moment(1736923369809214), moment(1736923369809214)),
    (60, 'stock', 'inventory.prove_order', '{"order":11}', 'done', 1, 0, moment(1736923383445088), NULL, '01a1ff4b-7a45-71c8-a54c-563e727da6a8', NULL, moment(1736923369809214), moment(1736923369809214)),
    (63, 'payment', 'payments.cancel', '{"payment":"08c5fcc9-1dc8-4671-9f16-ea8b2e977696"}', 'done', 1, 0, moment(1736925244001306), NULL, NULL, NULL, moment(1736925229809214), moment(1736925229809214)),
    (65, 'email', 'orders.send_confirmation', '{"order":12}', 'done', 1, 0, moment(1736925305953252), NULL, '01a1ff4b-7ad4-748c-be61-1c9c306c997a', NULL, moment(1736925290809214), moment(1736925290809214)),
    (66, 'stock', 'inventory.prove_order', '{"order":12}', 'done', 1, 0, moment(1736925307525284), NULL, '01a1ff4b-7ad4-748c-be61-1c9c306c997a', NULL, moment(1736925290809214), moment(1736925290809214)),
    (70, 'payment', 'payments.refund', '{"refund":"f857ccd5-5127-47f8-98d8-84343f6f156d"}', 'dead', 1, 1, moment(1736925290809214), NULL, '01a1ff4b-7b5b-778d-92c5-da624e25aff9', 'the provider refused it: charge_disputed', moment(1736925290809214), moment(1736925290809214)),
    (71, 'email', 'orders.send_confirmation', '{"order":13}', 'done', 1, 0, moment(1736925367771171), NULL, '01a1ff4b-7b64-7398-8e70-c66276a14c95', NULL, moment(1736925351809214), moment(1736925351809214)),
    (72, 'stock', 'inventory.prove_order', '{"order":13}', 'done', 1, 0, moment(1736925365973144), NULL, '01a1ff4b-7b64-7398-8e70-c66276a14c95', NULL, moment(1736925351809214), moment(1736925351809214)),
    (75, 'email', 'orders.send_confirmation', '{"order":14}', 'done', 1, 0, moment(1736925426957304), NULL, '01a1ff4b-7be9-7744-b7a5-06fe661c10dc', NULL, moment(1736925412809214), moment(1736925412809214)),
    (76, 'stock', 'inventory.prove_order', '{"order":14}', 'done', 1, 0, moment(1736925426038975), NULL, '01a1ff4b-7be9-7744-b7a5-06fe661c10dc', NULL, moment(1736925412809214), moment(1736925412809214)),
    (80, 'email', 'orders.send_confirmation', '{"order":15}', 'done', 1, 0, moment(1736925486108184), NULL, '01a1ff4b-7c85-725b-a1e2-caef716bd28c', NULL, moment(1736925473809214), moment(1736925473809214)),
    (81, 'stock', 'inventory.prove_order', '{"order":15}', 'done', 1, 0, moment(1736925486318943), NULL, '01a1ff4b-7c85-725b-a1e2-caef716bd28c', NULL, moment(1736925473809214), moment(1736925473809214)),
    (84, 'email', 'orders.send_confirmation', '{"order":16}', 'done', 1, 0, moment(1736925548102989), NULL, '01a1ff4b-7ce7-76a9-b4b6-10962d0220f0', NULL, moment(1736925534809214), moment(1736925534809214)),
    (85, 'stock', 'inventory.prove_order', '{"order":16}', 'done', 1, 0, moment(1736925550877310), NULL, '01a1ff4b-7ce7-76a9-b4b6-10962d0220f0', NULL, moment(1736925534809214), moment(1736925534809214)),
    (87, 'payment', 'payments.refund', '{"refund":"2e324c2e-1c9c-4eab-a5d1-11ce41f823de"}', 'pending', 0, 0, moment(1736925534809214), NULL, '01a1ff4b-7d3f-7561-9374-d9ebeaeb3a24', NULL, moment(1736925534809214), NULL),
    (88, 'email', 'orders.send_confirmation', '{"order":17}', 'pending', 0, 0, moment(1736925595809214), NULL, '01a1ff4b-7d44-7637-8b1a-6941ec4a6527', NULL, moment(1736925595809214), NULL),
    (89, 'stock', 'inventory.prove_order', '{"order":17}', 'pending', 0, 0, moment(1736925595809214), NULL, '01a1ff4b-7d44-7637-8b1a-6941ec4a6527', NULL, moment(1736925595809214), NULL),
    (90, 'payment', 'payments.pay', '{"payment":"30644595-aae4-40fc-92d3-cb66d19f616f"}', 'pending', 0, 0, moment(1736925595809214), NULL, '01a1ff4b-7d4b-72fb-9d18-f27248a8abcc', NULL, moment(1736925595809214), NULL),
    (91, 'payment', 'payments.handle_webhook', '{"webhook":18}', 'pending', 0, 0, moment(1736925595809214), NULL, '01a1ff4b-7d57-7236-b875-7cde716bcfd6', NULL, moment(1736925595809214), NULL),
    (92, 'email', 'orders.send_confirmation', '{"order":18}', 'pending', 0, 0, moment(1736925595809214), NULL, '01a1ff4b-7d5c-721d-ae8b-b370b1bcd419', NULL, moment(1736925595809214), NULL),
    (93, 'stock', 'inventory.prove_order', '{"order":18}', 'running', 1, 0, moment(1736925595809214), 'stock-1-a-worker-that-died', '01a1ff4b-7d5c-721d-ae8b-b370b1bcd419', NULL, moment(1736925595809214), NULL);

INSERT INTO reviews (id, product_id, user_id, rating, comment, created_at, updated_at) VALUES
    (1, 1, 2, 4, 'Holds tea. Good.', moment(1736923003809214), moment(1736923003809214));

INSERT INTO wishlist_entries (user_id, product_id, added_at) VALUES
    (2, 2, moment(1736923003809214));

INSERT INTO email_tokens (token_hash, user_id, purpose, expires_at) VALUES
    (bytes('272a58084263d3416da26872d2c40b729d3dde41273e4d5df66d0e5bf68e316f'), 3, 'verify_email', moment(1737009098809214)),
    (bytes('e6fc014f76d62b3cd56675df2cf77ef9b32cd15cdcd3cf1723e9a65278239761'), 4, 'verify_email', moment(1737009403809214)),
    (bytes('c9bfba832a7505a2133e66aa6dbbe7f42d1505063f6535d122090601293cbe8c'), 3, 'reset_password', moment(1736924803809214));

INSERT INTO sent_letters (message_id, sent_at) VALUES
    ('<order-1.shipped@shop.test>', moment(1736923003809214)),
    ('<order-5.cancelled@shop.test>', moment(1736923003809214)),
    ('<order-9.confirmed@shop.test>', moment(1736923247809214));

INSERT INTO order_events (id, order_id, kind, data, created_at) VALUES
    (1, 1, 'order', '{"created_at":"2025-01-15T06:32:39.809214Z","id":1,"items":[{"id":1,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-QRQX4TAS","payment_method":"cash_on_delivery","payment_status":"unpaid","shipping_address":"12 St James''s Square\nLondon","status":"pending","total_price":"24.00","updated_at":"2025-01-15T06:32:39.809214Z","user":2}', moment(1736922759809214)),
    (6, 1, 'order', '{"created_at":"2025-01-15T06:32:39.809214Z","id":1,"items":[{"id":1,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-QRQX4TAS","payment_method":"cash_on_delivery","payment_status":"unpaid","shipping_address":"12 St James''s Square\nLondon","status":"confirmed","total_price":"24.00","updated_at":"2025-01-15T06:36:43.809214Z","user":2}', moment(1736923003809214)),
    (7, 1, 'order', '{"created_at":"2025-01-15T06:32:39.809214Z","id":1,"items":[{"id":1,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-QRQX4TAS","payment_method":"cash_on_delivery","payment_status":"unpaid","shipping_address":"12 St James''s Square\nLondon","status":"shipped","total_price":"24.00","updated_at":"2025-01-15T06:36:43.809214Z","user":2}', moment(1736923003809214)),
    (8, 1, 'order', '{"created_at":"2025-01-15T06:32:39.809214Z","id":1,"items":[{"id":1,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-QRQX4TAS","payment_method":"cash_on_delivery","payment_status":"unpaid","shipping_address":"12 St James''s Square\nLondon","status":"delivered","total_price":"24.00","updated_at":"2025-01-15T06:36:43.809214Z","user":2}', moment(1736923003809214)),
    (18, 7, 'order', '{"created_at":"2025-01-15T06:38:45.809214Z","id":7,"items":[{"id":7,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-F7NBKEJR","payment_method":"stripe","payment_status":"unpaid","shipping_address":"12 St James''s Square\nLondon","status":"pending","total_price":"24.00","updated_at":"2025-01-15T06:38:45.809214Z","user":2}', moment(1736923125809214)),
    (19, 7, 'payment', '{"amount":"24.00","approval_url":null,"client_secret":null,"created_at":"2025-01-15T06:38:45.809214Z","currency":"USD","failure":null,"id":"38dc940f-24ad-4f89-90c5-af5b7aade7a3","key_id":null,"order":7,"provider":"stripe","refunded":"0.00","status":"queued","transaction_id":null,"updated_at":"2025-01-15T06:38:45.809214Z"}', moment(1736923125809214)),
    (20, 7, 'order', '{"created_at":"2025-01-15T06:38:45.809214Z","id":7,"items":[{"id":7,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-F7NBKEJR","payment_method":"stripe","payment_status":"processing","shipping_address":"12 St James''s Square\nLondon","status":"pending","total_price":"24.00","updated_at":"2025-01-15T06:38:45.809214Z","user":2}', moment(1736923125809214)),
    (21, 7, 'payment', '{"amount":"24.00","approval_url":null,"client_secret":null,"created_at":"2025-01-15T06:38:45.809214Z","currency":"USD","failure":null,"id":"38dc940f-24ad-4f89-90c5-af5b7aade7a3","key_id":null,"order":7,"provider":"stripe","refunded":"0.00","status":"captured","transaction_id":"pi_d41fb72e2bd7f547c6a3","updated_at":"2025-01-15T06:38:45.809214Z"}', moment(1736923125809214)),
    (22, 7, 'order', '{"created_at":"2025-01-15T06:38:45.809214Z","id":7,"items":[{"id":7,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-F7NBKEJR","payment_method":"stripe","payment_status":"paid","shipping_address":"12 St James''s Square\nLondon","status":"confirmed","total_price":"24.00","updated_at":"2025-01-15T06:38:45.809214Z","user":2}', moment(1736923125809214)),
    (23, 7, 'payment', '{"amount":"24.00","approval_url":null,"client_secret":null,"created_at":"2025-01-15T06:38:45.809214Z","currency":"USD","failure":null,"id":"38dc940f-24ad-4f89-90c5-af5b7aade7a3","key_id":null,"order":7,"provider":"stripe","refunded":"5.00","status":"partially_refunded","transaction_id":"pi_d41fb72e2bd7f547c6a3","updated_at":"2025-01-15T06:38:45.809214Z"}', moment(1736923125809214)),
    (32, 9, 'order', '{"created_at":"2025-01-15T06:40:47.809214Z","id":9,"items":[{"id":9,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-2PFD33PU","payment_method":"paypal","payment_status":"unpaid","shipping_address":"12 St James''s Square\nLondon","status":"pending","total_price":"24.00","updated_at":"2025-01-15T06:40:47.809214Z","user":2}', moment(1736923247809214)),
    (33, 9, 'payment', '{"amount":"24.00","approval_url":null,"client_secret":null,"created_at":"2025-01-15T06:40:47.809214Z","currency":"USD","failure":null,"id":"48a212f0-7e53-402b-a20b-0a6d84f5f3a0","key_id":null,"order":9,"provider":"paypal","refunded":"0.00","status":"queued","transaction_id":null,"updated_at":"2025-01-15T06:40:47.809214Z"}', moment(1736923247809214)),
    (34, 9, 'order', '{"created_at":"2025-01-15T06:40:47.809214Z","id":9,"items":[{"id":9,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-2PFD33PU","payment_method":"paypal","payment_status":"processing","shipping_address":"12 St James''s Square\nLondon","status":"pending","total_price":"24.00","updated_at":"2025-01-15T06:40:47.809214Z","user":2}', moment(1736923247809214)),
    (35, 9, 'payment', '{"amount":"24.00","approval_url":null,"client_secret":null,"created_at":"2025-01-15T06:40:47.809214Z","currency":"USD","failure":null,"id":"48a212f0-7e53-402b-a20b-0a6d84f5f3a0","key_id":null,"order":9,"provider":"paypal","refunded":"0.00","status":"requires_action","transaction_id":"3024B4E97E23B155C","updated_at":"2025-01-15T06:40:47.809214Z"}', moment(1736923247809214)),
    (36, 9, 'payment', '{"amount":"24.00","approval_url":null,"client_secret":null,"created_at":"2025-01-15T06:40:47.809214Z","currency":"USD","failure":null,"id":"48a212f0-7e53-402b-a20b-0a6d84f5f3a0","key_id":null,"order":9,"provider":"paypal","refunded":"0.00","status":"captured","transaction_id":"3024B4E97E23B155C","updated_at":"2025-01-15T06:40:47.809214Z"}', moment(1736923247809214)),
    (37, 9, 'order', '{"created_at":"2025-01-15T06:40:47.809214Z","id":9,"items":[{"id":9,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-2PFD33PU","payment_method":"paypal","payment_status":"paid","shipping_address":"12 St James''s Square\nLondon","status":"confirmed","total_price":"24.00","updated_at":"2025-01-15T06:40:47.809214Z","user":2}', moment(1736923247809214)),
    (69, 16, 'order', '{"created_at":"2025-01-15T07:18:54.809214Z","id":16,"items":[{"id":16,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-SGE5QNDG","payment_method":"stripe","payment_status":"unpaid","shipping_address":"12 St James''s Square\nLondon","status":"pending","total_price":"24.00","updated_at":"2025-01-15T07:18:54.809214Z","user":2}', moment(1736925534809214)),
    (70, 16, 'payment', '{"amount":"24.00","approval_url":null,"client_secret":null,"created_at":"2025-01-15T07:18:54.809214Z","currency":"USD","failure":null,"id":"c674dc11-c5bb-4ce6-a3b5-dfc019fcb035","key_id":null,"order":16,"provider":"stripe","refunded":"0.00","status":"queued","transaction_id":null,"updated_at":"2025-01-15T07:18:54.809214Z"}', moment(1736925534809214)),
    (71, 16, 'order', '{"created_at":"2025-01-15T07:18:54.809214Z","id":16,"items":[{"id":16,"name":"Stoneware Mug","price":"12.00","product":1,"quantity":2,"subtotal":"24.00"}],"order_number":"20250115-SGE5QNDG","payment_method":"stripe","payment_status":"processing","shipping_address":"12 St James''s Square\nLondon","status":"pending","total_price":"24.00","updated_at":"2025-01-15T07:18:54.809214Z","user":2}', moment(1736925534809214)),
    (72, 16, 'payment', '{"amount":"24.00","approval_url":null,"client_secret":null,"created_at":"2025-01-15T07:18:54.809214Z","currency":"USD","failure":null,"id":"c674dc11-c5bb-4ce6-a3b5-dfc019fcb035","key_id":null,"order":16,"provider":"stripe","refunded":"0.00","status":"requires_action","transaction_id":"pi_6c08ea504b9569142bf9","updated_at":"2025-01-15T07:18:54.809214Z"}', moment(1736925534809214));

