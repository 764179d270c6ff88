-- insert own
INSERT INTO customers (id, region, name, email) VALUES (50, 'North', 'Neu', 'neu@example.com');
-- insert foreign
INSERT INTO customers (id, region, name, email) VALUES (51, 'East', 'Eva', 'eva@example.com');
-- insert several, one foreign
INSERT INTO customers (id, region, name, email) VALUES (52, 'North', 'a', 'a@x'), (53, 'West', 'b', 'b@x');
-- insert returning
INSERT INTO orders (id, region, customer_id) VALUES (60, 'North', 1) RETURNING id, region, placed, note;
-- insert returning star
INSERT INTO orders (id, region, customer_id, amount) VALUES (61, 'South', 4, 5) RETURNING *;
-- insert returning expression
INSERT INTO orders AS o (id, region, customer_id, amount) VALUES (62, 'North', 2, 5) RETURNING o.id + 1 AS next, upper(o.region), (SELECT count(*) FROM employees);
-- insert without column list
INSERT INTO orders VALUES (63, 'North', 1, '2025-05-05', 1.5, 'n');
-- insert default
INSERT INTO visits (what) VALUES (DEFAULT) RETURNING id, region, what;
-- insert default values
INSERT INTO visits DEFAULT VALUES;
-- insert default values returning
INSERT INTO visits DEFAULT VALUES RETURNING *;
-- insert select own
INSERT INTO visits (region, what) SELECT region, name FROM customers;
-- insert select foreign
INSERT INTO visits (region, what) SELECT 'West', name FROM customers;
-- insert select with cte
WITH c AS (SELECT region, name FROM customers WHERE level = 'gold') INSERT INTO visits (region, what) SELECT * FROM c RETURNING what;
-- insert with cte inside
INSERT INTO visits (region, what) WITH c AS (SELECT region FROM orders LIMIT 1) SELECT region, 'x' FROM c;
-- insert overriding
INSERT INTO visits (id, region) OVERRIDING SYSTEM VALUE VALUES (900, 'North') RETURNING id;
-- insert identity refused by postgres
INSERT INTO visits (id, region) VALUES (901, 'North');
-- insert null region
INSERT INTO customers (id, region, name, email) VALUES (54, NULL, 'x', 'y@x');
-- insert item of own order
INSERT INTO items VALUES (4, 9, 'sku', 1, 2), (1, 9, 'sku', 1, 2);
-- insert item returning
INSERT INTO items (order_id, line, sku, price) VALUES (4, 10, 's', 3) RETURNING order_id, quantity;
-- insert duplicate key own
INSERT INTO customers (id, region, name, email) VALUES (1, 'North', 'x', 'z@x');
-- insert duplicate key foreign row
INSERT INTO customers (id, region, name, email) VALUES (6, 'East', 'x', 'z@x');
-- insert into partitioned
INSERT INTO measures VALUES ('North', '2024-05-05', 5), ('North', '2025-05-05', 6) RETURNING day;
-- insert into a read-only table
INSERT INTO employees VALUES (70, 'North', 'x', NULL, 1);
-- insert into a denied table
INSERT INTO payroll VALUES (70, 'North', 1);
-- on conflict do nothing
INSERT INTO customers (id, region, name, email) VALUES (1, 'North', 'x', 'q@x') ON CONFLICT DO NOTHING;
-- on conflict do nothing target
INSERT INTO customers (id, region, name, email) VALUES (2, 'North', 'x', 'q@x'), (55, 'North', 'y', 'y@x') ON CONFLICT (id) DO NOTHING RETURNING id;
-- on conflict do nothing foreign proposed
INSERT INTO customers (id, region, name, email) VALUES (6, 'East', 'x', 'q@x') ON CONFLICT DO NOTHING;
-- on conflict update own
INSERT INTO customers (id, region, name, email) VALUES (1, 'North', 'x', 'q@x') ON CONFLICT (id) DO UPDATE SET name = excluded.name, credit = customers.credit + 1 RETURNING id, name, credit;
-- on conflict update hidden row
INSERT INTO customers (id, region, name, email) VALUES (6, 'North', 'x', 'q@x') ON CONFLICT (id) DO UPDATE SET name = 'taken';
-- on conflict update moves away
INSERT INTO customers (id, region, name, email) VALUES (1, 'North', 'x', 'q@x') ON CONFLICT (id) DO UPDATE SET region = 'West';
-- on conflict update where
INSERT INTO customers AS c (id, region, name, email) VALUES (1, 'North', 'x', 'q@x'), (2, 'North', 'y', 'r@x') ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE c.level = 'gold';
-- on conflict on constraint
INSERT INTO orders (id, region, customer_id) VALUES (4, 'North', 1) ON CONFLICT ON CONSTRAINT orders_pkey DO UPDATE SET note = 'again' RETURNING id, note;
-- on conflict row assignment
INSERT INTO orders (id, region, customer_id) VALUES (4, 'North', 1) ON CONFLICT (id) DO UPDATE SET (note, amount) = ('again', 9) RETURNING note, amount;
-- update all visible
UPDATE customers SET credit = credit + 1;
-- update where
UPDATE customers SET name = upper(name), tags = tags || ARRAY['seen'] WHERE level <> 'gold';
-- update hidden by id
UPDATE customers SET name = 'stolen' WHERE id IN (1, 4, 6);
-- update returning
UPDATE orders SET amount = amount * 2 WHERE id < 9 RETURNING id, amount;
-- update returning star with alias
UPDATE orders AS o SET note = 'x' WHERE o.id < 9 RETURNING o.*, o.amount + 1 AS more;
-- update moves away
UPDATE customers SET region = 'West' WHERE id IN (2, 5);
-- update one of several moves away
UPDATE orders SET region = CASE WHEN id > 10 THEN 'East' ELSE region END;
-- update from
UPDATE orders o SET note = c.name FROM customers c WHERE c.id = o.customer_id;
-- update from returning
UPDATE orders o SET note = c.name FROM customers c WHERE c.id = o.customer_id RETURNING o.id, c.name, c.level;
-- update from values
UPDATE customers SET credit = v.credit FROM (VALUES (1, 7.5), (4, 8.5), (6, 9.5)) AS v (id, credit) WHERE v.id = customers.id RETURNING customers.id, v.credit;
-- update subquery
UPDATE customers c SET credit = (SELECT coalesce(sum(amount), 0) FROM orders o WHERE o.customer_id = c.id);
-- update row assignment
UPDATE customers SET (name, credit) = (SELECT 'avg', avg(amount) FROM orders) WHERE id IN (1, 4);
-- update row of values
UPDATE customers SET (name, credit) = ROW ('r', 3) WHERE id = 1 RETURNING name;
-- update default
UPDATE customers SET level = DEFAULT, credit = DEFAULT WHERE id < 9;
-- update json
UPDATE customers SET profile = jsonb_set(profile, '{age}', '41') WHERE id IN (1, 4);
-- update array element
UPDATE customers SET tags[1] = 'first' WHERE id IN (1, 4);
-- update self join
UPDATE employees e SET name = b.name FROM employees b WHERE b.id = e.boss_id;
-- update with cte
WITH big AS (SELECT customer_id FROM orders WHERE amount > 100) UPDATE customers SET level = 'gold' WHERE id IN (SELECT customer_id FROM big) RETURNING id;
-- update by policy subquery
UPDATE items SET quantity = quantity + 1 WHERE price > 3 RETURNING order_id, line, quantity;
-- update item to a hidden order
UPDATE items SET order_id = 2, line = line + 50 * order_id WHERE order_id IN (4, 1);
-- update partition key
UPDATE measures SET day = day + 400 RETURNING region, day;
-- update a denied table
UPDATE payroll SET amount = 0;
-- delete all visible
DELETE FROM items;
-- delete where
DELETE FROM orders WHERE amount > 100;
-- delete hidden by id
DELETE FROM customers WHERE id IN (6, 7);
-- delete cascade own
DELETE FROM customers WHERE id IN (1, 4);
-- delete returning
DELETE FROM orders WHERE id < 9 RETURNING id, note;
-- delete returning star
DELETE FROM visits RETURNING *;
-- delete using
DELETE FROM items USING orders o WHERE o.id = items.order_id AND o.amount > 100;
-- delete using returning
DELETE FROM items i USING orders o WHERE o.id = i.order_id AND o.amount > 200 RETURNING i.sku, o.amount;
-- delete with subquery
DELETE FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE level = 'bronze');
-- delete with cte
WITH old AS (SELECT id FROM orders WHERE placed < '2025-01-10') DELETE FROM orders USING old WHERE old.id = orders.id RETURNING orders.id;
-- delete a denied table
DELETE FROM payroll;
-- delete a read-only table
DELETE FROM employees;
-- cte insert
WITH n AS (INSERT INTO visits (region, what) VALUES ('North', 'cte') RETURNING id, what) SELECT * FROM n;
-- cte insert foreign
WITH n AS (INSERT INTO visits (region, what) VALUES ('West', 'cte') RETURNING id) SELECT count(*) FROM n;
-- cte insert unread
WITH n AS (INSERT INTO visits (region, what) VALUES ('North', 'unread')) SELECT count(*) FROM visits;
-- cte insert unread foreign
WITH n AS (INSERT INTO visits (region, what) VALUES ('West', 'unread')) SELECT count(*) FROM visits;
-- cte update
WITH u AS (UPDATE customers SET credit = 0 RETURNING *) SELECT id, credit FROM u;
-- cte update foreign
WITH u AS (UPDATE customers SET region = 'West' WHERE id IN (1, 4) RETURNING id) SELECT * FROM u;
-- cte delete moves rows
WITH gone AS (DELETE FROM visits RETURNING region, what) INSERT INTO visits (region, what) SELECT region, what || ' again' FROM gone RETURNING what;
-- cte two writes
WITH d AS (DELETE FROM items RETURNING order_id), u AS (UPDATE orders SET note = 'empty' RETURNING id) SELECT (SELECT count(*) FROM d), (SELECT count(*) FROM u);
-- several statements
UPDATE customers SET credit = 1 WHERE id IN (1, 4); DELETE FROM visits; SELECT count(*) FROM visits;
-- several statements, the last one foreign
UPDATE customers SET credit = 1; INSERT INTO visits (region) VALUES ('West');
-- transaction in one text
BEGIN; UPDATE customers SET credit = 2; SAVEPOINT s; DELETE FROM visits; ROLLBACK TO s; COMMIT;
-- rollback
BEGIN; DELETE FROM items; ROLLBACK;
-- check constraint of postgres
UPDATE customers SET email = 'nora@example.com' WHERE id IN (2, 5);
-- foreign key of postgres
INSERT INTO orders (id, region, customer_id) VALUES (80, 'North', 12345);
-- not null of postgres
UPDATE customers SET name = NULL WHERE id IN (1, 4);
-- insert foreign into a partition
INSERT INTO measures_old VALUES ('West', '2024-05-06', 5);
-- update a partition by name
UPDATE measures_new SET value = 0 RETURNING region, day;
-- insert select foreign before unique
INSERT INTO customers (id, region, name, email) SELECT 1, 'West', 'x', 'nora@example.com';
-- insert select foreign before not null
INSERT INTO customers (id, region, name, email) SELECT 56, 'West', NULL, 'w@x';
-- insert select duplicate before a foreign row
INSERT INTO customers (id, region, name, email) SELECT id, CASE id WHEN 1 THEN region ELSE 'West' END, name, 'w@x' || id FROM customers ORDER BY id;
-- insert select constants of other types
INSERT INTO orders (id, region, customer_id, placed, amount, note) SELECT '90', 'North', 1, '2025-05-05', '7.5', NULL RETURNING *;
-- insert select constants beside a star
INSERT INTO visits (region, what, at) SELECT c.*, '2025-01-09' FROM (SELECT region, name FROM customers) AS c RETURNING region, what, at;
-- insert select without column list
INSERT INTO orders SELECT id + 100, region, customer_id, '2025-06-06', amount FROM orders WHERE id < 6;
-- insert select union
INSERT INTO visits (region, what) SELECT 'North', 'a' UNION ALL SELECT 'North', 'b' UNION ALL SELECT region, name FROM customers WHERE id = 1;
-- insert select grouped by the key
INSERT INTO visits (region, what) SELECT region, name FROM customers GROUP BY id;
-- insert select in parentheses
INSERT INTO visits (region, what) (SELECT region, name FROM customers ORDER BY id LIMIT 2) RETURNING what;
-- insert select too many columns
INSERT INTO visits (region) SELECT region, name FROM customers;
-- insert select not exists
INSERT INTO customers (id, region, name, email) SELECT 57, 'North', 'x', 'v@x' WHERE NOT EXISTS (SELECT 1 FROM customers WHERE id = 57);
-- insert values from a sub-select, foreign before not null
INSERT INTO customers (id, region, name, email) VALUES (58, (SELECT max(capital) FROM regions), NULL, 'u@x');
-- insert values from a function, foreign before not null
INSERT INTO customers (id, region, name, email) VALUES (59, initcap('west'), NULL, 't@x');
-- insert parts of a column
INSERT INTO customers (id, region, name, email, tags[1], tags[2]) VALUES (60, 'North', 'x', 's@x', 'a', 'b') RETURNING tags;
-- insert a value of the wrong type
INSERT INTO customers (id, region, name, email) VALUES (true, 'North', 'x', 'r@x');
-- insert into a partitioned table by select
INSERT INTO measures SELECT region, day + 1, value FROM measures RETURNING region, day;
-- insert into a partitioned table by select, foreign
INSERT INTO measures SELECT 'West', day + 1, value FROM measures;
-- update foreign before not null
UPDATE customers SET region = 'West', name = NULL WHERE id IN (1, 4);
-- update foreign before unique
UPDATE customers SET email = 'nina@example.com', region = 'West' WHERE id IN (1, 4);
-- update not null before the next foreign row
UPDATE customers SET name = NULL, region = CASE WHEN id IN (1, 4) THEN region ELSE 'West' END;
-- update row of values, foreign before not null
UPDATE customers SET (region, name) = ('West', NULL) WHERE id IN (1, 4);
-- update row from a query, foreign before not null
UPDATE customers SET (name, region) = (SELECT NULL::text, r.name FROM regions r WHERE r.name = 'West') WHERE id IN (1, 4);
-- update row from a query without rows
UPDATE customers SET (name, region) = (SELECT 'x', r.name FROM regions r WHERE r.name = 'Nowhere') WHERE id IN (1, 4);
-- update row from a query with too many rows
UPDATE customers SET (name, region) = (SELECT 'x', c.region FROM customers c) WHERE id IN (1, 4);
-- update to the same region, typed by its column
UPDATE orders SET region = (SELECT region FROM orders LIMIT 1), placed = '2025-07-07', amount = '1.239', note = NULL WHERE id < 9 RETURNING id, placed, amount, note;
-- update with default between
UPDATE customers SET region = region, level = DEFAULT, name = lower(name), credit = DEFAULT WHERE id < 9 RETURNING name, level, credit;
-- update with parts of a column between
UPDATE customers SET region = region, tags[1] = 'first', name = 'n', tags[2] = 'second' WHERE id IN (1, 4) RETURNING tags, name;
-- update with parts of a column, foreign
UPDATE customers SET tags[1] = 'first', region = 'West', tags[2] = 'second', name = NULL WHERE id IN (1, 4);
-- update is distinct from
UPDATE orders SET note = (orders.id IS DISTINCT FROM 4)::text, region = orders.region FROM customers c WHERE c.id = customer_id RETURNING orders.id, orders.note;
-- update from, foreign before not null
UPDATE customers SET region = r.name, name = NULL FROM regions r WHERE r.name = 'West' AND customers.id IN (1, 4);
-- update from itself
UPDATE orders o SET note = p.note, region = p.region FROM orders p WHERE p.id = o.id + 4 RETURNING o.id, o.note;
-- update the column twice
UPDATE orders SET region = region, region = 'North';
-- update item to a hidden order before its key
UPDATE items SET order_id = 2, line = 1 WHERE order_id IN (4, 1);
-- update only
UPDATE ONLY measures SET region = 'West';
-- update a partition by name, foreign before its key
UPDATE measures_new SET region = 'West', day = '2025-01-01';
-- on conflict do nothing foreign by select
INSERT INTO customers (id, region, name, email) SELECT 6, 'East', 'x', 'q@x' ON CONFLICT DO NOTHING;
-- on conflict expression target without an index
INSERT INTO customers (id, region, name, email) VALUES (1, 'North', 'x', 'q@x') ON CONFLICT (lower(email)) DO NOTHING;
-- on conflict by another constraint
INSERT INTO customers (id, region, name, email) VALUES (61, 'North', 'x', 'nora@example.com') ON CONFLICT ON CONSTRAINT customers_email_key DO UPDATE SET name = 'again' RETURNING id, name;
-- on conflict do nothing returning on a constraint
INSERT INTO customers (id, region, name, email) VALUES (1, 'North', 'x', 'q@x'), (62, 'North', 'x', 'p@x') ON CONFLICT ON CONSTRAINT customers_pkey DO NOTHING RETURNING id;
-- on conflict update foreign row by email
INSERT INTO customers (id, region, name, email) VALUES (63, 'North', 'x', 'edda@example.com'), (64, 'South', 'x', 'edda@example.com') ON CONFLICT (email) DO UPDATE SET name = 'stolen';
-- on conflict update, foreign before not null
INSERT INTO customers (id, region, name, email) VALUES (1, 'North', 'x', 'q@x'), (4, 'South', 'x', 'q@x') ON CONFLICT (id) DO UPDATE SET region = 'West', name = NULL;
-- on conflict update by select with a row from a query
INSERT INTO customers AS c (id, region, name, email) SELECT id, region, name, email FROM customers WHERE id IN (2, 5) ON CONFLICT (id) DO UPDATE SET (name, credit) = (SELECT excluded.name || '!', c.credit + 1) RETURNING id, name, credit;
-- on conflict update the whole excluded row
INSERT INTO orders (id, region, customer_id) VALUES (4, 'North', 1), (5, 'South', 4) ON CONFLICT (id) DO UPDATE SET note = excluded::text;
-- on conflict in a cte
WITH n AS (INSERT INTO customers (id, region, name, email) SELECT id, region, 'cte', email FROM customers ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name) SELECT * FROM n;
-- on conflict in a cte, foreign
WITH n AS (INSERT INTO customers (id, region, name, email) VALUES (6, 'East', 'x', 'q@x') ON CONFLICT DO NOTHING) SELECT 1;
-- on conflict into a partitioned table
INSERT INTO measures VALUES ('North', '2025-01-01', 7), ('South', '2025-01-01', 7) ON CONFLICT (region, day) DO UPDATE SET value = excluded.value + measures.value RETURNING value;
-- cte nested writes
WITH a AS (WITH b AS (SELECT id FROM customers) UPDATE customers SET name = 'n' FROM b WHERE b.id = customers.id RETURNING customers.id) DELETE FROM orders USING a WHERE a.id = orders.customer_id RETURNING orders.id;
-- cte insert select foreign
WITH n AS (INSERT INTO visits (region, what) SELECT 'West', name FROM customers RETURNING id) SELECT 1;
-- delete only
DELETE FROM ONLY measures_old AS m WHERE m.value > 0 RETURNING m.region, m.day;
-- copy an insert out
COPY (INSERT INTO visits (region, what) SELECT region, name FROM customers WHERE id IN (1, 4) RETURNING region, what) TO STDOUT;
-- copy a foreign insert out
COPY (INSERT INTO visits (region, what) VALUES ('West', 'c') RETURNING what) TO STDOUT;
-- copy an update out
COPY (UPDATE orders SET note = 'x' WHERE id < 9 RETURNING id, note) TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8');
-- copy a foreign update out
COPY (UPDATE orders SET region = 'West' WHERE id < 9 RETURNING id) TO STDOUT;
-- copy a delete out
COPY (DELETE FROM visits RETURNING what) TO STDOUT;
-- copy a write without returning out
COPY (DELETE FROM visits) TO STDOUT;
-- view: update
UPDATE big_orders SET amount = amount + 1 WHERE id < 20;
-- view: update everything, returning
UPDATE big_orders SET customer_id = 2 RETURNING *;
-- view: rows that its condition hides
UPDATE big_orders SET amount = 500 WHERE id = 1;
-- view: update by an alias and a column of another
UPDATE big_orders AS b SET amount = c.credit FROM customers c WHERE c.id = b.customer_id AND c.credit < 60 RETURNING b.id, b.amount, c.name;
-- view: a foreign row made
UPDATE big_orders SET region = 'West' WHERE id < 20;
-- view: a row moved out of sight of the view, unchecked
UPDATE big_orders SET amount = 1 WHERE id > 10 RETURNING id, amount;
-- view: a row moved out, checked
UPDATE checked_orders SET money = 250;
-- view: of one that was not there
UPDATE checked_orders SET money = 250 WHERE no > 20;
-- view: other names
UPDATE checked_orders SET placed = 'x', money = money / 2 WHERE customer < 5 AND placed IS NOT NULL RETURNING no, placed, checked_orders.money;
-- view: other names in a row
UPDATE checked_orders v SET (placed, money) = (SELECT c.name, 7 FROM customers c WHERE c.id = v.customer) WHERE v.no < 12 RETURNING v.*;
-- view: an expression read
UPDATE checked_orders SET placed = part::text || who WHERE part > 10 RETURNING part, who, placed;
-- view: an expression written
UPDATE checked_orders SET part = 1;
-- view: an expression written by insert
INSERT INTO checked_orders (no, region, customer, part) VALUES (50, 'North', 1, 2);
-- view: insert
INSERT INTO checked_orders (no, region, customer, money, placed) VALUES (50, 'North', 1, 20, 'n') RETURNING no, money, who;
-- view: insert a row that the check refuses
INSERT INTO checked_orders (no, region, customer, money) VALUES (50, 'North', 1, 2000);
-- view: insert a row that check and policy refuse
INSERT INTO checked_orders (no, region, customer, money) VALUES (50, 'West', 1, 2000);
-- view: insert a row that check and key refuse
INSERT INTO checked_orders (no, region, customer, money) VALUES (4, 'North', 1, 2000);
-- view: insert a foreign row
INSERT INTO unchecked_orders VALUES (51, 'West', 'w');
-- view: insert without a list
INSERT INTO recent_measures VALUES ('2026-01-01', 'North', 3), ('2026-01-02', 'North', DEFAULT) RETURNING *;
-- view: insert without a list, refused by the check
INSERT INTO recent_measures VALUES ('2026-01-01', 'North', 3), ('2023-01-02', 'North', 4);
-- view: insert a query
INSERT INTO recent_measures (region, day, number) SELECT region, placed::date + 3000, id FROM orders WHERE id < 9 RETURNING region, number;
-- view: update over partitions
UPDATE recent_measures SET number = number + 1, day = day + 700 WHERE region = 'North' RETURNING day;
-- view: update over partitions, refused by the check
UPDATE recent_measures SET day = '2020-01-01' WHERE day = '2025-01-01';
-- view: delete
DELETE FROM big_orders WHERE id IN (SELECT no FROM checked_orders WHERE money > 100) RETURNING id;
-- view: delete, whole row
DELETE FROM checked_orders WHERE money > 100 RETURNING checked_orders;
-- view: delete using
DELETE FROM unchecked_orders u USING customers c WHERE c.id = 1 AND u.id < 12 RETURNING u.id, u.region, u.note, c.name;
-- view: delete everything
DELETE FROM unchecked_orders;
-- view: on a view
UPDATE nested_orders SET money = money * 2 WHERE order_no < 20 RETURNING order_no, money;
-- view: on a view whose condition could raise
UPDATE raising_orders SET note = note || 'y' WHERE no <> 13 AND region <> 'East' RETURNING no, note;
-- view: on a view, the inner check
UPDATE raising_orders SET money = 250 WHERE no = 8;
-- view: on a view, the outer check
UPDATE raising_orders SET money = 5 WHERE no IN (8, 9);
-- view: barrier
UPDATE barrier_orders SET note = 'z' WHERE id / nullif(id - 8, 0) < 2 RETURNING id, note;
-- view: barrier, a condition that raises for a row it hides
DELETE FROM barrier_orders WHERE 1 / (id - 1) < 5;
-- view: a condition that raises for a foreign row
DELETE FROM big_orders WHERE region = 'West' AND 1 / (id - 11) < 5;
-- view: grouped
DELETE FROM by_region;
-- view: grouped, updated
UPDATE by_region SET money = 1;
-- view: in WITH
WITH w AS (UPDATE checked_orders SET placed = 'cte' WHERE no < 12 RETURNING no, placed || '!' AS said, money) SELECT * FROM w ORDER BY no;
-- view: the name of an item
UPDATE checked_orders SET placed = (SELECT customer FROM (SELECT checked_orders.customer) s)::text WHERE no < 12 RETURNING placed::text;
-- view: system columns
UPDATE checked_orders SET placed = 'x' RETURNING tableoid;
-- view: columns of the table
UPDATE checked_orders SET placed = 'x' WHERE amount = 50;
-- view: cursor
UPDATE checked_orders SET placed = 'x' WHERE CURRENT OF c;
-- view: prepared
UPDATE checked_orders SET placed = 'x' WHERE no = 4 AND money::text LIKE '%5%';
-- merge
MERGE INTO orders o USING customers c ON o.customer_id = c.id AND c.level = 'gold' WHEN MATCHED THEN UPDATE SET note = c.name, amount = o.amount + 1;
-- merge inserts own and foreign
MERGE INTO customers c USING (VALUES (70, 'North', 'a'), (71, 'East', 'b')) AS s (id, region, name) ON c.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, name, email) VALUES (s.id, s.region, s.name, s.name || '@x');
-- merge finds a hidden key
MERGE INTO customers c USING (VALUES (6, 'North', 'a'), (1, 'North', 'b')) AS s (id, region, name) ON c.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, region, name, email) VALUES (s.id, s.region, s.name, s.name || '@x');
-- merge moves away
MERGE INTO orders o USING regions r ON r.name <> o.region AND r.name = 'West' WHEN MATCHED THEN UPDATE SET region = r.name;
-- merge deletes what is seen
MERGE INTO items i USING orders o ON o.id = i.order_id AND i.line = 1 WHEN MATCHED AND o.amount > 10 THEN DELETE WHEN MATCHED THEN DO NOTHING;
-- merge into a partitioned table
MERGE INTO measures m USING (VALUES ('North', '2025-01-01'::date, 7), ('South', '2025-01-01', 8)) s (region, day, value) ON (m.region, m.day) = (s.region, s.day) WHEN MATCHED THEN UPDATE SET value = s.value + m.value WHEN NOT MATCHED THEN DO NOTHING;
-- merge into a read-only table
MERGE INTO employees e USING orders o ON e.id = o.id WHEN MATCHED THEN DELETE;
-- update row of too few values
UPDATE customers SET (region, name) = ROW(region) WHERE id IN (1, 4);
-- update row of too many values
UPDATE customers SET (region, name) = (region, 'x', 'y') WHERE id IN (1, 4);
-- update row from a query with too many columns
UPDATE customers SET (region, name) = (SELECT customers.region, 'x', 'y') WHERE id IN (1, 4);
-- update row from a query with too few columns
UPDATE customers SET (region, name) = (SELECT customers.region) WHERE id IN (1, 4);
-- update row of a star
UPDATE customers SET (region, name) = ROW(s.*) FROM (SELECT region, 'of a star' FROM customers WHERE id IN (1, 4)) AS s WHERE id IN (1, 4) RETURNING name;
-- update row of a star, foreign
UPDATE customers SET (region, name) = ROW(s.*) FROM (SELECT 'West', 'of a star') AS s WHERE id IN (1, 4);
-- update row from a query over a column without a name
UPDATE customers SET (region, name) = (SELECT customers.region, "?column?"::text) FROM (SELECT 5) AS s WHERE id IN (1, 4) RETURNING name;
-- insert values of a star
INSERT INTO customers (region, name, credit, id, email) VALUES (('(North,n,5)'::regions).*, 70, 'neu@example.com') RETURNING region, name, credit;
-- insert values of a star, foreign
INSERT INTO customers (region, name, credit, id, email) VALUES (('(West,n,5)'::regions).*, 70, 'neu@example.com');
-- insert a query of a star and a constant
INSERT INTO customers (region, name, credit, since, id, email) SELECT r.*, '2025-02-03', 71, 'r@x' FROM regions AS r WHERE r.name IN ('North', 'South') LIMIT 1;
-- insert a query of a row's star and a constant
INSERT INTO customers (region, name, credit, since, id, email) SELECT ('(North,n,5)'::regions).*, '2025-02-03', 71, 'r@x' RETURNING since;
-- insert values of a star in parentheses
INSERT INTO customers (region, name, credit, id, email) (VALUES (('(North,n,5)'::regions).*, 72, 's@x')) RETURNING id, credit;
-- update with values drawn for each row
UPDATE customers SET region = 'North', name = random()::text; SELECT count(*) = count(DISTINCT name) FROM customers; UPDATE customers SET name = 'drawn';
-- update with values drawn for each row, in a row
UPDATE customers SET (region, name) = ('North', gen_random_uuid()::text); SELECT count(*) = count(DISTINCT name) FROM customers; UPDATE customers SET name = 'drawn';
-- update from with values drawn for each row
UPDATE customers c SET region = 'North', name = random()::text FROM regions r WHERE r.name = c.region; SELECT count(*) = count(DISTINCT name) FROM customers; UPDATE customers SET name = 'drawn';
-- update of partitions with values drawn for each row
UPDATE measures SET region = 'North', value = random() * 1000000000 WHERE region = 'North'; SELECT count(*) = count(DISTINCT value) FROM measures WHERE region = 'North'; UPDATE measures SET value = 1;
-- on conflict update with values drawn for each row
INSERT INTO customers (id, region, name, email) SELECT id, region, name, email FROM customers ON CONFLICT (id) DO UPDATE SET region = 'North', name = random()::text; SELECT count(*) = count(DISTINCT name) FROM customers; UPDATE customers SET name = 'drawn';
-- view: update with values drawn for each row
UPDATE recent_measures SET region = 'North', number = random() * 1000000000 WHERE region = 'North'; SELECT count(*) = count(DISTINCT number) FROM recent_measures WHERE region = 'North'; UPDATE measures SET value = 1;
