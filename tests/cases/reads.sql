-- table
TABLE customers;
-- star
SELECT * FROM orders;
-- columns and where
SELECT id, name FROM customers WHERE level = 'gold' OR credit > 60;
-- order limit offset; ordered
SELECT id, amount FROM orders ORDER BY amount DESC, id LIMIT 3 OFFSET 1;
-- fetch with ties; ordered
SELECT id, level FROM customers ORDER BY level FETCH FIRST 1 ROW WITH TIES;
-- count
SELECT count(*), sum(amount), min(placed), max(note) FROM orders;
-- qualified names
SELECT public.orders.id, orders.note FROM public.orders;
-- database qualifier of a column alias
SELECT o.id, o.* FROM orders AS o WHERE o.amount < 100;
-- column alias list
SELECT a, b FROM customers AS c (a, b, d) WHERE d <> 'Nils';
-- inner join
SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id;
-- left join
SELECT c.name, o.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.amount > 50;
-- right join
SELECT c.name, o.id FROM customers c RIGHT JOIN orders o ON o.customer_id = c.id;
-- full join
SELECT c.name, o.id FROM customers c FULL JOIN orders o ON o.customer_id = c.id;
-- full join using
SELECT region, c.id, e.id FROM customers c FULL JOIN employees e USING (region);
-- natural join
SELECT * FROM measures NATURAL JOIN (SELECT region, capital FROM regions JOIN customers ON regions.name = customers.region) x;
-- natural self
SELECT id, name FROM employees NATURAL JOIN employees AS twin (id, region, name);
-- using with alias
SELECT j.region, count(*) FROM customers JOIN orders USING (region) AS j GROUP BY j.region;
-- cross join
SELECT c.id, r.name FROM customers c CROSS JOIN regions r WHERE r.name <> c.region;
-- comma join
SELECT c.id, o.id FROM customers c, orders o WHERE c.id = o.customer_id AND o.region = c.region;
-- self join
SELECT e.name, b.name FROM employees e LEFT JOIN employees b ON b.id = e.boss_id;
-- nested join parentheses
SELECT c.name, o.id, i.sku FROM customers c LEFT JOIN (orders o JOIN items i ON i.order_id = o.id) ON o.customer_id = c.id;
-- lateral
SELECT c.name, x.id FROM customers c, LATERAL (SELECT o.id FROM orders o WHERE o.customer_id = c.id ORDER BY o.id LIMIT 1) x;
-- left lateral
SELECT c.name, x.total FROM customers c LEFT JOIN LATERAL (SELECT sum(amount) AS total FROM orders o WHERE o.customer_id = c.id) x ON true;
-- derived table
SELECT x.region, x.n FROM (SELECT region, count(*) AS n FROM orders GROUP BY region) x WHERE x.n > 2;
-- policy by subquery
SELECT order_id, line, sku FROM items;
-- join to policy by subquery
SELECT o.id, sum(i.quantity * i.price) FROM orders o JOIN items i ON i.order_id = o.id GROUP BY o.id;
-- union
SELECT region FROM customers UNION SELECT region FROM employees;
-- union all
SELECT id FROM customers UNION ALL SELECT id FROM employees;
-- intersect
SELECT region FROM customers INTERSECT SELECT name FROM regions;
-- except
SELECT name FROM regions EXCEPT SELECT region FROM customers;
-- nested set operations; ordered
(SELECT id FROM customers UNION SELECT id FROM employees) EXCEPT (SELECT id FROM orders WHERE id < 2) ORDER BY 1;
-- cte
WITH big AS (SELECT * FROM orders WHERE amount > 100) SELECT count(*) FROM big;
-- two ctes
WITH a AS (SELECT id FROM customers), b AS (SELECT customer_id FROM orders) SELECT a.id FROM a WHERE a.id IN (SELECT customer_id FROM b);
-- cte shadows a table
WITH payroll AS (SELECT id FROM customers) SELECT * FROM payroll;
-- cte reads the table it shadows
WITH customers AS (SELECT id, name FROM customers) SELECT * FROM customers;
-- materialized cte
WITH c AS MATERIALIZED (SELECT * FROM customers), d AS NOT MATERIALIZED (SELECT * FROM orders) SELECT c.id, d.id FROM c JOIN d ON d.customer_id = c.id;
-- nested cte
WITH a AS (WITH b AS (SELECT id FROM orders) SELECT id FROM b WHERE id > 5) SELECT count(*) FROM a;
-- recursive
WITH RECURSIVE tree AS (SELECT id, name, 0 AS depth FROM employees WHERE boss_id IS NULL UNION ALL SELECT e.id, e.name, t.depth + 1 FROM employees e JOIN tree t ON e.boss_id = t.id) SELECT * FROM tree;
-- recursive numbers
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i, c.name FROM n LEFT JOIN customers c ON c.id = n.i;
-- scalar subquery
SELECT (SELECT count(*) FROM orders), (SELECT max(name) FROM customers);
-- correlated subquery
SELECT c.id, (SELECT sum(amount) FROM orders o WHERE o.customer_id = c.id) FROM customers c;
-- exists
SELECT name FROM regions r WHERE EXISTS (SELECT 1 FROM customers c WHERE c.region = r.name);
-- not exists
SELECT name FROM regions r WHERE NOT EXISTS (SELECT FROM customers c WHERE c.region = r.name);
-- in and not in
SELECT name FROM regions WHERE name IN (SELECT region FROM orders) AND name NOT IN (SELECT region FROM employees WHERE salary > 8000);
-- any and all
SELECT id FROM orders WHERE amount >= ALL (SELECT amount FROM orders) OR id = ANY (SELECT boss_id FROM employees);
-- row comparison
SELECT id FROM customers WHERE (region, level) IN (SELECT region, level FROM customers WHERE credit > 20);
-- array subquery
SELECT ARRAY(SELECT id FROM customers ORDER BY id), array_length(ARRAY(SELECT id FROM orders), 1);
-- subquery in order by and case; ordered
SELECT id, CASE WHEN EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) THEN 'buys' ELSE 'looks' END FROM customers c ORDER BY (SELECT count(*) FROM orders o WHERE o.customer_id = c.id), id;
-- subquery in limit; ordered
SELECT id FROM orders ORDER BY id LIMIT (SELECT count(*) FROM customers);
-- subquery in having
SELECT region, count(*) FROM orders GROUP BY region HAVING count(*) > (SELECT count(*) FROM employees) - 4;
-- window
SELECT id, rank() OVER (PARTITION BY region ORDER BY amount DESC), sum(amount) OVER w FROM orders WINDOW w AS (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);
-- lag and first value
SELECT id, lag(amount) OVER (ORDER BY id), first_value(name) OVER (PARTITION BY region ORDER BY o.id) FROM orders o JOIN customers c USING (id, region);
-- aggregate filter
SELECT count(*) FILTER (WHERE amount > 100), sum(amount) FILTER (WHERE note IS NOT NULL) FROM orders;
-- within group
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount), mode() WITHIN GROUP (ORDER BY region) FROM orders;
-- ordered aggregates
SELECT string_agg(name, ',' ORDER BY name DESC), array_agg(id ORDER BY id) FROM customers;
-- distinct aggregate
SELECT count(DISTINCT region), count(DISTINCT customer_id) FROM orders;
-- grouping sets
SELECT region, level, count(*), grouping(region, level) FROM customers GROUP BY GROUPING SETS ((region), (level), ());
-- rollup and cube
SELECT region, level, count(*) FROM customers GROUP BY ROLLUP (region, level) UNION ALL SELECT region, level, count(*) FROM customers GROUP BY CUBE (region, level);
-- group by position and having
SELECT region, avg(amount)::numeric(10,2) FROM orders GROUP BY 1 HAVING sum(amount) > 10;
-- distinct
SELECT DISTINCT region, level FROM customers;
-- distinct on; ordered
SELECT DISTINCT ON (customer_id) customer_id, id, amount FROM orders ORDER BY customer_id, amount DESC;
-- for update
SELECT id FROM customers WHERE id < 5 FOR UPDATE;
-- for update of skip locked; ordered
SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id ORDER BY o.id LIMIT 2 FOR UPDATE OF o SKIP LOCKED;
-- for share nowait
SELECT id FROM orders WHERE id < 9 FOR SHARE NOWAIT;
-- values
VALUES (1, 'a'), (2, 'b');
-- values in from
SELECT v.k, c.name FROM (VALUES (1), (4), (6)) AS v (k) LEFT JOIN customers c ON c.id = v.k;
-- arrays
SELECT id, tags[1], tags || ARRAY['x'], array_length(tags, 1) FROM customers WHERE 'vip' = ANY (tags) OR tags && ARRAY['new'];
-- unnest
SELECT c.id, t FROM customers c, unnest(c.tags) AS t;
-- unnest with ordinality
SELECT c.id, t, n FROM customers c CROSS JOIN LATERAL unnest(c.tags) WITH ORDINALITY AS u (t, n);
-- json
SELECT id, profile -> 'pets' ->> 0, profile ->> 'age', profile @> '{"age": 40}', profile ? 'pets' FROM customers;
-- json build
SELECT json_build_object('id', id, 'name', name), to_jsonb(tags) FROM customers;
-- json functions in from
SELECT c.id, k FROM customers c, jsonb_object_keys(c.profile) AS k;
-- json aggregate
SELECT jsonb_agg(jsonb_build_object('r', region) ORDER BY id) FROM customers;
-- whole row
SELECT c FROM customers c WHERE id < 5;
-- whole row as text
SELECT c::text FROM customers c;
-- casts
SELECT id::text, credit::int, '2024-03-01'::date = since, CAST(level AS text) FROM customers;
-- strings
SELECT upper(name), substring(name FROM 2 FOR 2), position('a' IN name), trim(BOTH 'N' FROM name), name || '!' , length(name) FROM customers;
-- like and regular expressions
SELECT id FROM customers WHERE name LIKE 'N%' OR name ILIKE '%a' OR name ~ '^S' OR name SIMILAR TO '%d_';
-- dates
SELECT id, date_trunc('month', placed), extract(day FROM placed), placed + interval '1 day', age(placed, timestamp '2025-01-01') FROM orders;
-- null tests
SELECT id, coalesce(note, '-'), nullif(region, 'North'), note IS NULL, note IS DISTINCT FROM 'note 1' FROM orders;
-- between and in list
SELECT id FROM orders WHERE amount BETWEEN 20 AND 120 AND id NOT IN (4, 8);
-- not and precedence
SELECT id FROM customers WHERE NOT level = 'gold' AND id < 4 OR region = 'South';
-- or true
SELECT id FROM customers WHERE id = 1 OR 1 = 1;
-- enum
SELECT level, count(*) FROM customers WHERE level > 'bronze' GROUP BY level;
-- generate series
SELECT g, count(o.id) FROM generate_series(1, 7) g LEFT JOIN orders o ON o.customer_id = g GROUP BY g;
-- other schema
SELECT id, note FROM archive.orders;
-- same name in two schemas
SELECT o.id, a.note FROM orders o JOIN archive.orders a ON a.id = o.id OR a.region = o.region;
-- quoted names
SELECT "Id", "select" FROM "Mixed Case" WHERE "region" IS NOT NULL;
-- partitioned table
SELECT day, sum(value) FROM measures GROUP BY day;
-- view
SELECT * FROM big_orders;
-- view joined
SELECT b.id, c.name FROM big_orders b JOIN customers c ON c.id = b.customer_id WHERE b.amount < 250;
-- no from
SELECT 1 + 1 AS two, 'x' AS x, current_date = current_date;
-- tablesample
SELECT count(*) FROM regions TABLESAMPLE BERNOULLI (100);
-- comment in the middle
SELECT /* FROM payroll */ id -- and more
FROM customers;
-- dollar quotes and escapes
SELECT $q$payroll'$q$, E'it\'s', U&'d\0061ta', 'a''b' FROM customers WHERE id = 1;
-- system columns
SELECT id, ctid IS NOT NULL, o.xmin IS NOT NULL, tableoid > 0 FROM orders o WHERE ctid IS NOT NULL

-- star beside a system column
SELECT *, c.cmin IS NULL FROM customers c WHERE c.xmax IS NOT NULL

-- qualified stars beside a system column
SELECT o.*, c.*, o.ctid = o.ctid FROM orders o JOIN customers c ON c.id = o.customer_id

-- star of using beside a system column
SELECT *, o.tableoid > 0 FROM orders o JOIN regions r ON r.name = o.region

-- rows by their places
SELECT * FROM orders o WHERE o.ctid IN (SELECT x.ctid FROM orders x WHERE x.amount > 10)

-- join by place
SELECT a.id, b.id FROM orders a JOIN orders b ON a.ctid = b.ctid

-- newest place of each region; ordered
SELECT region, count(*), max(ctid) IS NOT NULL FROM orders GROUP BY region ORDER BY region

-- system column of an inner query
SELECT count(*) FROM (SELECT ctid AS place, * FROM customers) x WHERE place IS NOT NULL

-- system column in exists
SELECT id FROM customers c WHERE EXISTS (SELECT * FROM orders o WHERE o.customer_id = c.id AND o.ctid IS NOT NULL)

-- partitions by tableoid
SELECT count(DISTINCT tableoid) FROM measures

-- whole row spread out
SELECT (o).* FROM orders o

-- fields of a whole row
SELECT (c).id, (c).name, (c.*).region FROM customers c

-- whole row in functions
SELECT row_to_json(o), to_jsonb(o) -> 'id', count(o) OVER () FROM orders o WHERE o IS NOT NULL

-- whole row of a join
SELECT o, c FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND c.credit > 100

-- whole row compared
SELECT count(*) FROM orders a, orders b WHERE a = b

-- whole row distinct
SELECT count(DISTINCT o) FROM orders o

-- whole rows in an array
SELECT (array_agg(o ORDER BY o.id))[1] FROM orders o

-- field of an array of rows
SELECT ((array_agg(o ORDER BY o.id))[1]).note FROM orders o

-- group by a key that a join merges
SELECT id, c.name, c.level FROM customers c LEFT JOIN employees e USING (id) GROUP BY id

-- group by a key below a join that merges
SELECT region, id, c.name, c.tags FROM customers c JOIN regions r ON r.name = c.region LEFT JOIN (SELECT region, count(*) AS n FROM orders GROUP BY region) o USING (region) GROUP BY region, id

-- star of a join with an alias beside a whole row
SELECT j.* FROM (orders o JOIN customers c ON o IS NOT NULL AND c.id = o.customer_id) AS j(a, b, c2, d, e, f)

-- whole row beside literals
SELECT id FROM employees e WHERE e = ANY (ARRAY[e]) AND e NOT IN (ROW(1, 'North', 'x', NULL, 3)::employees, '(2,North,y,,4)')

-- whole row and star
SELECT *, o FROM orders o WHERE o IS DISTINCT FROM NULL

-- whole row and system column
SELECT o, o.ctid IS NULL FROM orders o

-- whole row of the other side
SELECT c.id, o FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.amount > 50

-- whole row without an alias
SELECT orders FROM orders WHERE orders.amount > 1

-- whole row named further inside
SELECT o.id, (SELECT count(*) FROM items i WHERE i.order_id = (o).id AND o IS NOT NULL) FROM orders o

-- row spread out from a sub-select
SELECT (x.r).* FROM (SELECT o AS r FROM orders o) x

-- field of a made row
SELECT (x.r).f1, (x.r).f2 FROM (SELECT ROW(o.id, o.note) AS r FROM orders o) x

-- function with its own columns
SELECT * FROM jsonb_to_recordset('[{"a":1,"b":"x"}]') AS t(a int, b text)

-- rows from
SELECT * FROM ROWS FROM (generate_series(1, 3), generate_series(5, 6)) WITH ORDINALITY AS t(a, b, n)

-- rows from with definitions
SELECT * FROM ROWS FROM (jsonb_to_recordset('[{"a":1}]') AS (a int), generate_series(1, 2)) AS t

-- lateral function over a column
SELECT o.id, g FROM orders o, generate_series(1, o.id % 3) AS g

-- left join lateral function
SELECT c.id, t.tag, t.n FROM customers c LEFT JOIN LATERAL unnest(c.tags) WITH ORDINALITY AS t(tag, n) ON true

-- set function in the list
SELECT id, unnest(tags) FROM customers

-- variadic
SELECT concat_ws('-', VARIADIC tags) FROM customers

-- sample with expressions
SELECT count(*) FROM orders TABLESAMPLE BERNOULLI (50 + 50) REPEATABLE (1 + 1)

-- ties by expression; ordered
SELECT id, amount FROM orders ORDER BY amount DESC FETCH FIRST (1 + 1) ROWS WITH TIES

-- grouping function
SELECT region, customer_id, grouping(region, customer_id), count(*) FROM orders GROUP BY GROUPING SETS ((region, customer_id), (region), ())

-- distinct grouping
SELECT region, count(*) FROM orders GROUP BY DISTINCT ROLLUP (region), CUBE (region)

-- window frames
SELECT id, sum(amount) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW), count(*) OVER (ORDER BY placed RANGE BETWEEN INTERVAL '1 day' PRECEDING AND CURRENT ROW) FROM orders

-- named windows
SELECT id, rank() OVER w, lag(id, 1, 0) OVER (w ROWS UNBOUNDED PRECEDING) FROM orders WINDOW w AS (PARTITION BY region ORDER BY id)

-- search breadth first; ordered
WITH RECURSIVE chain(id, boss_id) AS (SELECT id, boss_id FROM employees WHERE boss_id IS NULL UNION ALL SELECT e.id, e.boss_id FROM employees e JOIN chain c ON c.id = e.boss_id) SEARCH BREADTH FIRST BY id SET place SELECT id FROM chain ORDER BY place

-- cycle
WITH RECURSIVE chain(id, boss_id) AS (SELECT id, boss_id FROM employees UNION ALL SELECT e.id, e.boss_id FROM employees e JOIN chain c ON c.id = e.boss_id) CYCLE id SET again USING path SELECT id, again FROM chain

-- recursive over a view
WITH RECURSIVE chain(id) AS (SELECT min(id) FROM big_orders UNION SELECT b.id FROM big_orders b, chain c WHERE b.id = c.id + 1) SELECT * FROM chain

-- values with order; ordered
VALUES (2, 'b'), (1, 'a') ORDER BY 1 LIMIT 1

-- hypothetical rank
SELECT rank(150) WITHIN GROUP (ORDER BY amount), percentile_disc(0.5) WITHIN GROUP (ORDER BY amount) FILTER (WHERE note IS NOT NULL) FROM orders

-- isnull and symmetric
SELECT id, note ISNULL, note NOTNULL FROM orders WHERE id BETWEEN SYMMETRIC 900 AND 1

-- similar and overlaps
SELECT id, name SIMILAR TO '(N|S)%', (since, interval '1 day') OVERLAPS (date '2024-01-01', date '2024-12-31') FROM customers

-- time zones
SELECT id, placed AT TIME ZONE 'UTC' AT TIME ZONE 'UTC', timezone('UTC', placed) IS NULL FROM orders

-- collations
SELECT id, COLLATION FOR (name) FROM customers ORDER BY name COLLATE "C"

-- row comparisons
SELECT id FROM orders WHERE (region, id) >= ('North', 2) AND (id, region) IN (SELECT c.id, c.region FROM customers c) AND ROW(id, note) IS DISTINCT FROM ROW(1, 'x')

-- quantified comparisons
SELECT id FROM orders WHERE amount >= ALL (SELECT o.amount FROM orders o) OR id = ANY (ARRAY[1, 2]) OR 'a' LIKE ALL (ARRAY['a', '%'])

-- array slices
SELECT id, tags[1:2], tags[:1], tags[2:], (tags)[1] FROM customers

-- xml
SELECT xmlelement(name order, xmlattributes(id AS no), note), xmlforest(id, note), xmlconcat(xmlcomment('x')) FROM orders

-- xml aggregate
SELECT xmlagg(xmlelement(name o, id) ORDER BY id) FROM orders

-- locked join
SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id FOR NO KEY UPDATE OF o FOR KEY SHARE OF c

-- locked limit; ordered
SELECT id FROM orders ORDER BY id LIMIT 1 FOR UPDATE NOWAIT

-- locked view
SELECT id FROM big_orders FOR SHARE

-- locked sub-select
SELECT id FROM (SELECT * FROM orders) x FOR UPDATE SKIP LOCKED

-- locked set operation is refused
SELECT id FROM orders UNION SELECT id FROM customers FOR UPDATE

-- group by primary key through an alias
SELECT c.*, count(o.id) FROM customers AS c LEFT JOIN orders AS o ON o.customer_id = c.id GROUP BY c.id

-- group by primary key in having and order; ordered
SELECT o.id FROM orders o JOIN items i ON i.order_id = o.id GROUP BY o.id HAVING max(i.price) > 0 AND o.amount >= 0 ORDER BY o.note NULLS FIRST, o.id

-- nested view
SELECT * FROM nested_orders

-- view of a set operation
SELECT kind, count(*) FROM everything_named GROUP BY kind

-- view with a cte
SELECT * FROM by_region

-- view of a function join
SELECT * FROM spread_orders WHERE n = 2

-- barrier view
SELECT * FROM barrier_orders WHERE amount > 1

-- barrier view under a condition that could raise
SELECT id FROM barrier_orders WHERE 1 / (id - 1) >= 0

-- view with renamed columns
SELECT v.order_no, v.money FROM nested_orders v(order_no, money)

-- view as a whole row
SELECT v, (v).money FROM nested_orders v

-- view in a recursive query and a join
SELECT count(*) FROM big_orders a JOIN nested_orders b ON a.id = b.order_no JOIN by_region r USING (region)

-- only and star
SELECT * FROM ONLY measures UNION ALL SELECT * FROM measures_old * UNION ALL SELECT * FROM ONLY (measures_new)

-- denied table
SELECT * FROM payroll;
-- denied table in a subquery
SELECT id FROM customers WHERE id IN (SELECT id FROM payroll);
-- partition by name
SELECT * FROM measures_old;
-- absent table
SELECT * FROM nowhere;
-- absent column
SELECT nothing FROM customers;
-- syntax error
SELECT id FROM customers WHERE;
-- division by zero
SELECT id / 0 FROM customers;
-- type error
SELECT name::int FROM customers;
-- ambiguous column
SELECT id FROM customers, orders;
