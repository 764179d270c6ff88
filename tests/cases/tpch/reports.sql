-- count per table
SELECT 'customer', count(*) FROM customer UNION ALL SELECT 'orders', count(*) FROM orders UNION ALL SELECT 'lineitem', count(*) FROM lineitem UNION ALL SELECT 'supplier', count(*) FROM supplier UNION ALL SELECT 'partsupp', count(*) FROM partsupp;
-- star of customers
SELECT * FROM customer;
-- star of suppliers
SELECT * FROM supplier;
-- star of orders
SELECT * FROM orders WHERE o_orderkey < 100;
-- star of lines
SELECT * FROM lineitem WHERE l_orderkey < 50;
-- star of parts
SELECT * FROM part WHERE p_partkey < 20;
-- star of nations
SELECT * FROM nation;
-- star of stock
SELECT * FROM partsupp WHERE ps_partkey < 10;
-- masked column in where
SELECT c_custkey FROM customer WHERE c_phone LIKE '1%';
-- masked column grouped
SELECT s_phone, count(*) FROM supplier GROUP BY s_phone;
-- masked column ordered; ordered
SELECT c_custkey, c_phone FROM customer ORDER BY c_phone, c_custkey;
-- masked column joined
SELECT count(*) FROM customer a JOIN customer b ON a.c_address = b.c_address;
-- masked column in an aggregate
SELECT max(c_phone), min(c_address), sum(s_acctbal) FROM customer, supplier WHERE s_suppkey = c_custkey;
-- hidden column
SELECT c_comment FROM customer;
-- hidden column in where
SELECT c_custkey FROM customer WHERE c_comment = 'x';
-- hidden column of lines
SELECT l_comment FROM lineitem;
-- hidden column by alias
SELECT l.l_comment FROM lineitem AS l ORDER BY l.l_comment;
-- hidden column of parts
SELECT p_partkey, p_comment FROM part;
-- denied column
SELECT o_comment FROM orders;
-- denied column in where
SELECT o_orderkey FROM orders WHERE o_comment LIKE '%special%';
-- denied column of stock
SELECT sum(ps_supplycost) FROM partsupp;
-- denied column of nations
SELECT n_name, n_comment FROM nation;
-- denied column left out
SELECT n_nationkey, n_name FROM nation;
-- revenue by year and month
SELECT date_trunc('month', o_orderdate) AS month, count(*), sum(o_totalprice) FROM orders GROUP BY 1;
-- revenue by year
SELECT extract(year FROM o_orderdate) AS year, sum(o_totalprice) AS total, avg(o_totalprice)::numeric(12,2) FROM orders GROUP BY extract(year FROM o_orderdate);
-- year text
SELECT to_char(o_orderdate, 'YYYY-MM') AS m, count(*) FROM orders GROUP BY m HAVING count(*) > 3;
-- quarter
SELECT extract(quarter FROM o_orderdate), count(*) FILTER (WHERE o_orderstatus = 'F') FROM orders GROUP BY 1;
-- running total; ordered
SELECT o_orderkey, sum(o_totalprice) OVER (ORDER BY o_orderdate, o_orderkey) FROM orders ORDER BY o_orderdate, o_orderkey;
-- rank in nation
SELECT c_nationkey, c_custkey, rank() OVER (PARTITION BY c_nationkey ORDER BY c_acctbal DESC) FROM customer;
-- top of each nation
SELECT * FROM (SELECT c_nationkey, c_custkey, row_number() OVER (PARTITION BY c_nationkey ORDER BY c_acctbal DESC, c_custkey) AS n FROM customer) x WHERE n <= 2;
-- moving average
SELECT o_orderkey, avg(o_totalprice) OVER (ORDER BY o_orderkey ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) FROM orders;
-- range frame
SELECT o_orderkey, count(*) OVER (ORDER BY o_orderdate RANGE BETWEEN interval '10 days' PRECEDING AND CURRENT ROW) FROM orders;
-- groups frame
SELECT c_custkey, count(*) OVER (ORDER BY c_nationkey GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM customer;
-- lag and lead
SELECT o_custkey, o_orderkey, lag(o_orderdate) OVER w, lead(o_orderdate) OVER w FROM orders WINDOW w AS (PARTITION BY o_custkey ORDER BY o_orderdate, o_orderkey);
-- ntile and percent rank
SELECT c_custkey, ntile(4) OVER (ORDER BY c_custkey), percent_rank() OVER (ORDER BY c_nationkey), cume_dist() OVER (ORDER BY c_nationkey) FROM customer;
-- first and nth value
SELECT o_custkey, first_value(o_orderkey) OVER w, nth_value(o_orderkey, 2) OVER w FROM orders WINDOW w AS (PARTITION BY o_custkey ORDER BY o_orderkey ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING);
-- share of total
SELECT o_orderpriority, sum(o_totalprice) / sum(sum(o_totalprice)) OVER () FROM orders GROUP BY o_orderpriority;
-- grouping sets
SELECT l_returnflag, l_linestatus, sum(l_quantity), grouping(l_returnflag, l_linestatus) FROM lineitem GROUP BY GROUPING SETS ((l_returnflag, l_linestatus), (l_returnflag), ());
-- rollup
SELECT o_orderstatus, extract(year FROM o_orderdate) AS y, count(*) FROM orders GROUP BY ROLLUP (o_orderstatus, y);
-- cube
SELECT c_mktsegment, c_nationkey % 3 AS third, count(*) FROM customer GROUP BY CUBE (c_mktsegment, third);
-- percentiles
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY o_totalprice), percentile_disc(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY o_totalprice) FROM orders;
-- mode and median by segment
SELECT c_mktsegment, mode() WITHIN GROUP (ORDER BY c_nationkey), percentile_disc(0.5) WITHIN GROUP (ORDER BY c_acctbal) FROM customer GROUP BY c_mktsegment;
-- statistics
SELECT stddev_samp(l_quantity), var_pop(l_discount), corr(l_quantity::float8, l_discount::float8) IS NULL FROM lineitem;
-- string aggregate
SELECT c_nationkey, string_agg(c_name, ', ' ORDER BY c_custkey) FROM customer GROUP BY c_nationkey;
-- array aggregate
SELECT o_custkey, array_agg(o_orderkey ORDER BY o_orderkey), cardinality(array_agg(o_orderkey)) FROM orders GROUP BY o_custkey;
-- json aggregate
SELECT o_custkey, json_agg(json_build_object('key', o_orderkey, 'price', o_totalprice) ORDER BY o_orderkey) FROM orders GROUP BY o_custkey;
-- jsonb object aggregate
SELECT jsonb_object_agg(c_custkey::text, c_acctbal) FROM customer;
-- row to json
SELECT row_to_json(x) FROM (SELECT c_custkey, c_name FROM customer) x;
-- to jsonb of a row
SELECT to_jsonb(x) ->> 'o_orderkey' FROM (SELECT o_orderkey, o_totalprice FROM orders) x;
-- distinct on; ordered
SELECT DISTINCT ON (o_custkey) o_custkey, o_orderkey, o_totalprice FROM orders ORDER BY o_custkey, o_totalprice DESC, o_orderkey;
-- distinct
SELECT DISTINCT l_shipmode, l_returnflag FROM lineitem;
-- page; ordered
SELECT o_orderkey, o_totalprice FROM orders ORDER BY o_totalprice DESC, o_orderkey LIMIT 10 OFFSET 20;
-- fetch; ordered
SELECT c_custkey FROM customer ORDER BY c_acctbal DESC, c_custkey FETCH FIRST 5 ROWS ONLY;
-- with ties; ordered
SELECT o_orderpriority, o_orderkey FROM orders ORDER BY o_orderdate FETCH FIRST 3 ROWS WITH TIES;
-- chain of ctes
WITH big AS (SELECT o_custkey, sum(o_totalprice) AS total FROM orders GROUP BY o_custkey), ranked AS (SELECT *, rank() OVER (ORDER BY total DESC) AS place FROM big) SELECT c_name, total, place FROM ranked JOIN customer ON c_custkey = o_custkey WHERE place < 10;
-- cte used twice
WITH late AS (SELECT * FROM lineitem WHERE l_receiptdate > l_commitdate) SELECT (SELECT count(*) FROM late), (SELECT count(DISTINCT l_orderkey) FROM late);
-- recursive calendar
WITH RECURSIVE months(m) AS (SELECT date '1995-01-01' UNION ALL SELECT (m + interval '1 month')::date FROM months WHERE m < '1995-12-01') SELECT m, count(o_orderkey) FROM months LEFT JOIN orders ON date_trunc('month', o_orderdate) = m GROUP BY m;
-- recursive over keys
WITH RECURSIVE next AS (SELECT min(o_orderkey) AS k FROM orders UNION ALL SELECT (SELECT min(o_orderkey) FROM orders WHERE o_orderkey > next.k + 100) FROM next WHERE next.k IS NOT NULL) SELECT count(*), max(k) FROM next;
-- lateral top
SELECT c_custkey, t.o_orderkey FROM customer CROSS JOIN LATERAL (SELECT o_orderkey FROM orders WHERE o_custkey = c_custkey ORDER BY o_totalprice DESC, o_orderkey LIMIT 2) t;
-- left lateral
SELECT c_custkey, t.total FROM customer LEFT JOIN LATERAL (SELECT sum(o_totalprice) AS total FROM orders WHERE o_custkey = c_custkey) t ON true;
-- full join
SELECT c_custkey, o_orderkey FROM customer FULL JOIN orders ON c_custkey = o_custkey;
-- full join using
SELECT k, a.n, b.n FROM (SELECT c_nationkey AS k, count(*) AS n FROM customer GROUP BY 1) a FULL JOIN (SELECT s_nationkey AS k, count(*) AS n FROM supplier GROUP BY 1) b USING (k);
-- anti join
SELECT c_custkey FROM customer WHERE NOT EXISTS (SELECT 1 FROM orders WHERE o_custkey = c_custkey);
-- not in
SELECT p_partkey FROM part WHERE p_partkey NOT IN (SELECT l_partkey FROM lineitem);
-- any with an array
SELECT count(*) FROM orders WHERE o_orderstatus = ANY (ARRAY['F', 'P']);
-- all
SELECT c_custkey FROM customer WHERE c_acctbal >= ALL (SELECT c_acctbal FROM customer);
-- row in
SELECT count(*) FROM lineitem WHERE (l_partkey, l_suppkey) IN (SELECT ps_partkey, ps_suppkey FROM partsupp);
-- scalar subquery per row
SELECT c_custkey, (SELECT count(*) FROM orders WHERE o_custkey = c_custkey) AS n FROM customer;
-- subquery in order by; ordered
SELECT c_custkey FROM customer ORDER BY (SELECT count(*) FROM orders WHERE o_custkey = c_custkey) DESC, c_custkey LIMIT 9;
-- union of three
SELECT c_nationkey FROM customer UNION SELECT s_nationkey FROM supplier UNION SELECT n_nationkey FROM nation WHERE n_regionkey = 1;
-- intersect all
SELECT c_nationkey FROM customer INTERSECT ALL SELECT s_nationkey FROM supplier;
-- except all
SELECT c_nationkey FROM customer EXCEPT ALL SELECT s_nationkey FROM supplier;
-- case buckets
SELECT CASE WHEN o_totalprice < 50000 THEN 'small' WHEN o_totalprice < 150000 THEN 'medium' ELSE 'large' END AS bucket, count(*) FROM orders GROUP BY bucket;
-- width bucket
SELECT width_bucket(c_acctbal, -1000, 10000, 11) AS b, count(*) FROM customer GROUP BY b;
-- pivot by filter
SELECT o_orderstatus, count(*) FILTER (WHERE o_orderpriority = '1-URGENT') AS urgent, count(*) FILTER (WHERE o_orderpriority = '5-LOW') AS low FROM orders GROUP BY o_orderstatus;
-- generate series gaps
SELECT g FROM generate_series(1, 30) g LEFT JOIN orders ON o_orderkey = g WHERE o_orderkey IS NULL;
-- values joined
SELECT v.code, count(*) FROM (VALUES ('F', 1), ('O', 2)) AS v (code, n) JOIN orders ON o_orderstatus = v.code GROUP BY v.code;
-- full text
SELECT p_partkey FROM part WHERE to_tsvector('simple', p_name) @@ to_tsquery('simple', 'green & almond');
-- full text rank
SELECT p_partkey, ts_rank(to_tsvector('simple', p_name), plainto_tsquery('simple', 'forest')) FROM part WHERE to_tsvector('simple', p_name) @@ plainto_tsquery('simple', 'forest');
-- regular expressions
SELECT count(*) FROM part WHERE p_name ~ '^(almond|forest)' AND p_type !~* 'brass$';
-- regular expression parts
SELECT DISTINCT regexp_replace(p_brand, '[0-9]+', '#'), (regexp_match(p_mfgr, '[0-9]'))[1] FROM part;
-- split and position
SELECT split_part(c_name, '#', 2), strpos(c_name, '#'), right(c_name, 3), lpad(c_custkey::text, 6, '0') FROM customer;
-- string to array
SELECT DISTINCT unnest(string_to_array(p_name, ' ')) FROM part;
-- array operators
SELECT p_partkey FROM part WHERE string_to_array(p_name, ' ') && ARRAY['green', 'navy'] AND string_to_array(p_name, ' ') @> ARRAY['green'];
-- json path
SELECT count(*) FROM part WHERE jsonb_build_object('size', p_size) @? '$.size ? (@ > 25)';
-- date arithmetic
SELECT l_orderkey, l_receiptdate - l_shipdate AS days, age(l_receiptdate, l_shipdate), l_shipdate + 7 FROM lineitem WHERE l_linenumber = 1;
-- overlaps
SELECT count(*) FROM lineitem WHERE (l_shipdate, l_receiptdate) OVERLAPS (date '1995-01-01', date '1995-06-30');
-- numeric functions
SELECT round(o_totalprice, -3), trunc(o_totalprice), mod(o_orderkey, 7), ceil(o_totalprice / 1000), greatest(o_totalprice, 1000) FROM orders WHERE o_orderkey < 60;
-- null handling
SELECT coalesce(nullif(c_mktsegment, 'BUILDING'), 'none') AS s, count(*) FROM customer GROUP BY s;
-- boolean aggregates
SELECT o_orderstatus, bool_and(o_totalprice > 0), bool_or(o_totalprice > 200000), every(o_shippriority = 0) FROM orders GROUP BY o_orderstatus;
-- primary key grouping
SELECT c.c_custkey, c.c_name, count(o.o_orderkey) FROM customer c JOIN orders o ON o.o_custkey = c.c_custkey GROUP BY c.c_custkey, c.c_name;
-- group by a primary key alone
SELECT p.p_partkey, p.p_name, count(l.l_orderkey) FROM part p JOIN lineitem l ON l.l_partkey = p.p_partkey GROUP BY p.p_partkey, p.p_name;
-- having a sub-select
SELECT o_custkey, count(*) FROM orders GROUP BY o_custkey HAVING count(*) > (SELECT avg(n) FROM (SELECT count(*) AS n FROM orders GROUP BY o_custkey) x);
-- five-way join
SELECT r_name, count(*) FROM region JOIN nation ON n_regionkey = r_regionkey JOIN customer ON c_nationkey = n_nationkey JOIN orders ON o_custkey = c_custkey JOIN lineitem ON l_orderkey = o_orderkey GROUP BY r_name;
-- self join of lines
SELECT count(*) FROM lineitem a JOIN lineitem b ON a.l_orderkey = b.l_orderkey AND a.l_linenumber < b.l_linenumber;
-- natural join
SELECT count(*) FROM (SELECT o_orderkey AS k FROM orders) a NATURAL JOIN (SELECT l_orderkey AS k FROM lineitem) b;
-- using
SELECT k, count(*) FROM (SELECT o_custkey AS k FROM orders) a JOIN (SELECT c_custkey AS k FROM customer) b USING (k) GROUP BY k;
-- for update
SELECT o_orderkey FROM orders WHERE o_orderkey < 40 FOR UPDATE;
-- division that fails for visible rows
SELECT o_orderkey / (o_orderkey - o_orderkey) FROM orders;
-- cast that fails for visible rows
SELECT c_name::int FROM customer;
-- division guarded by case
SELECT CASE WHEN o_shippriority <> 0 THEN o_orderkey / o_shippriority END FROM orders;
-- unknown column
SELECT nothing FROM orders;
-- unknown table
SELECT * FROM nowhere;
-- wrong type
SELECT o_orderdate + o_orderdate FROM orders;
-- ambiguous
SELECT c_custkey FROM customer a, customer b;
-- not grouped
SELECT o_custkey, o_orderkey FROM orders GROUP BY o_custkey;
-- sub-select with two columns
SELECT (SELECT o_orderkey, o_custkey FROM orders);
-- sub-select with two rows
SELECT (SELECT r_regionkey FROM region);
-- copy out
COPY (SELECT o_orderkey, o_totalprice FROM orders WHERE o_orderkey < 100 ORDER BY 1) TO STDOUT WITH (FORMAT csv);
-- copy a table out
COPY region TO STDOUT;
-- explicit table
TABLE region;
-- qualified
SELECT public.region.r_name FROM public.region;
-- alias columns
SELECT k, n FROM region AS r (k, n, c) WHERE k > 1;
-- tablesample
SELECT count(*) FROM region TABLESAMPLE BERNOULLI (100);
-- ordinality
SELECT t.n, t.word FROM part, unnest(string_to_array(p_name, ' ')) WITH ORDINALITY AS t (word, n) WHERE p_partkey < 5;
-- rows from
SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(1, 3)) AS x (a, b);
-- between symmetric
SELECT count(*) FROM orders WHERE o_orderkey BETWEEN SYMMETRIC 100 AND 50;
-- is distinct
SELECT count(*) FROM orders WHERE o_orderstatus IS DISTINCT FROM 'F';
-- interval sums
SELECT sum(l_receiptdate - l_shipdate), max(l_receiptdate) - min(l_shipdate) FROM lineitem;
-- time zones
SELECT DISTINCT (o_orderdate::timestamp AT TIME ZONE 'UTC')::date = o_orderdate FROM orders;
-- hash and encode
SELECT md5(c_name), encode(convert_to(c_name, 'UTF8'), 'hex') FROM customer WHERE c_custkey < 30;
-- crosstab by hand
SELECT c_mktsegment, sum(CASE WHEN c_nationkey < 10 THEN c_acctbal END), sum(CASE WHEN c_nationkey >= 10 THEN c_acctbal END) FROM customer GROUP BY c_mktsegment;
