-- alter
SET session_replication_role = replica;
UPDATE customers SET region = (ARRAY['East', 'West', '', '0'])[1 + id % 4],
    name = (ARRAY['', 'not a number', repeat('N', 5000), '0'])[1 + id % 4], level = 'gold', credit = (id % 2) * -99999999,
    tags = (ARRAY['{}', '{vip,NULL,new}', '{""}'])[1 + id % 3]::text[],
    profile = (ARRAY['[]', '"x"', '{"age": "none", "pets": 0}'])[1 + id % 3]::jsonb, since = '-infinity'
    WHERE region <> 'North';
UPDATE orders SET customer_id = 1 + id % 5, placed = (ARRAY['infinity', '-infinity'])[1 + id % 2]::timestamp,
    amount = (ARRAY[0, -1, 99999999.99])[1 + id % 3], note = (ARRAY[NULL, '', 'not a number', repeat('n', 5000)])[1 + id % 4]
    WHERE region <> 'North';
UPDATE items SET sku = (ARRAY['', 'sku-0', repeat('s', 5000)])[1 + order_id % 3], quantity = 0, price = (order_id % 2) * 99999999
    WHERE order_id IN (SELECT id FROM orders WHERE region <> 'North');
UPDATE employees SET region = 'Nowhere', name = repeat('e', 5000), boss_id = 1, salary = 0 WHERE region <> 'North';
UPDATE visits SET region = 'East', what = NULL, at = 'infinity' WHERE region <> 'North';
UPDATE measures SET value = CASE WHEN region = 'South' THEN 0 END WHERE region <> 'North';
UPDATE payroll SET region = 'North', amount = 0;
UPDATE archive.orders SET note = '0' WHERE region <> 'North';
UPDATE "Mixed Case" SET "select" = repeat('m', 5000) WHERE region <> 'North';
-- add
SET session_replication_role = replica;
INSERT INTO customers SELECT 1000 + g, (ARRAY['South', 'East', 'West'])[1 + g % 3], CASE WHEN g % 2 = 0 THEN 'Nora' ELSE '' END,
    'unseen' || g || '@example.com', 'gold', 0, '{vip}', '{"pets": ["cat"], "age": 40}', '2020-01-01' FROM generate_series(1, 40) g;
INSERT INTO orders SELECT 1000 + g, (ARRAY['South', 'East', 'West'])[1 + g % 3], 1 + g % 7, '2025-01-02', 0, '0'
    FROM generate_series(1, 80) g;
INSERT INTO items SELECT 1000 + g, l, 'sku-1', 0, 0 FROM generate_series(1, 80) g, generate_series(1, 2) l;
INSERT INTO employees SELECT 1000 + g, 'South', '', 1, 0 FROM generate_series(1, 20) g;
INSERT INTO visits (id, region, what, at) OVERRIDING SYSTEM VALUE SELECT 9000 + g, 'West', '0', NULL FROM generate_series(1, 20) g;
INSERT INTO measures SELECT 'unseen', date '2024-01-01' + g * 20, 0 FROM generate_series(1, 40) g;
INSERT INTO payroll VALUES (1000, 'North', 0);
INSERT INTO archive.orders SELECT 1000 + g, 'South', '' FROM generate_series(1, 20) g;
INSERT INTO "Mixed Case" SELECT 1000 + g, 'South', NULL FROM generate_series(1, 20) g;
-- delete
SET session_replication_role = replica;
DELETE FROM items WHERE order_id % 2 = 1 AND order_id IN (SELECT id FROM orders WHERE region <> 'North');
DELETE FROM orders WHERE id % 2 = 1 AND region <> 'North';
DELETE FROM customers WHERE id % 2 = 0 AND region <> 'North';
DELETE FROM employees WHERE region <> 'North';
DELETE FROM visits WHERE region <> 'North';
DELETE FROM measures WHERE region <> 'North';
DELETE FROM payroll;
DELETE FROM archive.orders WHERE region <> 'North';
DELETE FROM "Mixed Case" WHERE region <> 'North';
