-- insert a customer nearby
INSERT INTO customer (c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment) VALUES (9001, 'n', 'a', 7, '1', 5, 'BUILDING') RETURNING c_custkey, c_nationkey;
-- insert a customer elsewhere
INSERT INTO customer (c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment) VALUES (9002, 'n', 'a', 1, '1', 5, 'BUILDING');
-- insert a lost customer
INSERT INTO customer (c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment) VALUES (9003, 'n', 'a', 7, '1', -950, 'BUILDING');
-- insert several, one elsewhere
INSERT INTO customer (c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment) SELECT 9100 + g, 'n', 'a', g, '1', 5, 'BUILDING' FROM generate_series(0, 24) g;
-- insert nobody
INSERT INTO orders SELECT * FROM orders WHERE o_orderkey < 0;
-- insert an order of a visible customer
INSERT INTO orders SELECT 9001, min(c_custkey), 'O', 1, '1995-01-01', '5-LOW', 'x', 0, 'y' FROM customer;
-- insert an order of customer one
INSERT INTO orders VALUES (9002, 1, 'O', 1, '1995-01-01', '5-LOW', 'x', 0, 'y');
-- insert orders of everybody visible
INSERT INTO orders SELECT 9100 + c_custkey, c_custkey, 'O', 1, '1995-01-01', '5-LOW', 'x', 0, 'y' FROM customer RETURNING o_custkey;
-- insert a line
INSERT INTO lineitem (l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode) SELECT o_orderkey, 1, 1, 99, 1, 1, 0, 0, 'N', 'O', '1995-01-01', '1995-01-01', '1995-01-02', 'NONE', 'AIR' FROM orders WHERE o_orderkey < 50;
-- insert a line without its comment
INSERT INTO lineitem (l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode) VALUES (1, 1, 1, 99, 1, 1, 0, 0, 'N', 'O', '1995-01-01', '1995-01-01', '1995-01-02', 'NONE', 'AIR');
-- insert into a read-only table
INSERT INTO region VALUES (9, 'x', 'y');
-- insert into suppliers
INSERT INTO supplier VALUES (900, 'n', 'a', 7, '1', 5, 'c');
-- insert a duplicate
INSERT INTO customer (c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment) SELECT c_custkey, 'n', 'a', 7, '1', 5, 'BUILDING' FROM customer ORDER BY c_custkey LIMIT 1;
-- insert without a foreign key
INSERT INTO lineitem (l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode) VALUES (1, 999999, 1, 98, 1, 1, 0, 0, 'N', 'O', '1995-01-01', '1995-01-01', '1995-01-02', 'NONE', 'AIR');
-- insert null
INSERT INTO customer (c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment) VALUES (9004, NULL, 'a', 7, '1', 5, 'BUILDING');
-- on conflict do nothing
INSERT INTO customer (c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment) VALUES (9005, 'n', 'a', 7, '1', 5, 'BUILDING') ON CONFLICT DO NOTHING;
-- on conflict update own
INSERT INTO customer (c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment) SELECT c_custkey, 'again', 'a', 7, '1', 5, 'BUILDING' FROM customer WHERE c_nationkey = 7 ON CONFLICT (c_custkey) DO UPDATE SET c_name = excluded.c_name, c_acctbal = customer.c_acctbal + 1 RETURNING c_custkey, c_acctbal;
-- on conflict update of everybody by key
INSERT INTO customer (c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment) SELECT g, 'taken', 'a', 7, '1', 5, 'BUILDING' FROM generate_series(1, 30) g ON CONFLICT (c_custkey) DO UPDATE SET c_name = 'taken';
-- update every visible customer
UPDATE customer SET c_acctbal = c_acctbal + 1;
-- update without reading
UPDATE orders SET o_shippriority = 1;
-- update returning
UPDATE orders SET o_totalprice = o_totalprice * 2 WHERE o_orderkey < 100 RETURNING o_orderkey, o_totalprice;
-- update returning star
UPDATE customer SET c_name = upper(c_name) WHERE c_custkey < 50 RETURNING *;
-- update moves away
UPDATE customer SET c_nationkey = 1 WHERE c_custkey < 100;
-- update to lost
UPDATE customer SET c_acctbal = -950 WHERE c_custkey < 100;
-- update beyond the check
UPDATE partsupp SET ps_availqty = -1 WHERE ps_partkey < 5;
-- update within the check
UPDATE partsupp SET ps_availqty = ps_availqty + 1 WHERE ps_partkey < 5 RETURNING ps_partkey, ps_availqty;
-- update from
UPDATE orders SET o_clerk = c_name FROM customer WHERE c_custkey = o_custkey AND o_orderkey < 200;
-- update from returning
UPDATE lineitem SET l_quantity = l_quantity + 1 FROM orders WHERE o_orderkey = l_orderkey AND o_orderkey < 40 RETURNING l_orderkey, l_linenumber, o_totalprice;
-- update by a sub-select
UPDATE orders SET o_totalprice = (SELECT coalesce(sum(l_extendedprice), 0) FROM lineitem WHERE l_orderkey = o_orderkey) WHERE o_orderkey < 300;
-- update a row of columns
UPDATE orders SET (o_totalprice, o_shippriority) = (SELECT sum(l_tax), count(*) FROM lineitem WHERE l_orderkey = o_orderkey) WHERE o_orderkey < 30 AND EXISTS (SELECT FROM lineitem WHERE l_orderkey = o_orderkey);
-- update the key of lines
UPDATE lineitem SET l_orderkey = 3, l_linenumber = l_linenumber + 100 * l_orderkey::int WHERE l_orderkey < 12;
-- update with a cte
WITH dear AS (SELECT o_orderkey FROM orders WHERE o_totalprice > 250000) UPDATE orders SET o_orderpriority = '1-URGENT' WHERE o_orderkey IN (SELECT o_orderkey FROM dear) RETURNING o_orderkey;
-- update a read-only table
UPDATE region SET r_name = 'x';
-- update suppliers
UPDATE supplier SET s_acctbal = 0;
-- update a denied column
UPDATE orders SET o_comment = 'x' WHERE o_orderkey < 10;
-- update a hidden column
UPDATE lineitem SET l_comment = 'x' WHERE l_orderkey < 10;
-- update by a hidden column
UPDATE lineitem SET l_tax = 0 WHERE l_comment LIKE 'line%';
-- delete lines
DELETE FROM lineitem WHERE l_orderkey < 100;
-- delete lines returning
DELETE FROM lineitem WHERE l_orderkey < 60 RETURNING l_orderkey, l_linenumber;
-- delete all lines
DELETE FROM lineitem;
-- delete using
DELETE FROM lineitem USING orders WHERE o_orderkey = l_orderkey AND o_totalprice > 200000 RETURNING l_orderkey;
-- delete orders and their lines
DELETE FROM orders WHERE o_orderkey < 80;
-- delete customers with orders
DELETE FROM customer WHERE c_custkey < 20;
-- delete from a read-only table
DELETE FROM part;
-- delete by a sub-select
DELETE FROM lineitem WHERE l_orderkey IN (SELECT o_orderkey FROM orders WHERE o_orderstatus = 'F') AND l_linenumber > 3;
-- cte delete and insert
WITH gone AS (DELETE FROM lineitem WHERE l_orderkey < 40 RETURNING l_orderkey, l_linenumber) SELECT count(*), max(l_linenumber) FROM gone;
-- cte insert read
WITH made AS (INSERT INTO customer (c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment) VALUES (9006, 'n', 'a', 7, '1', 5, 'BUILDING') RETURNING c_custkey) SELECT * FROM made;
-- cte update read
WITH changed AS (UPDATE orders SET o_shippriority = 2 WHERE o_orderkey < 100 RETURNING o_orderkey, o_custkey) SELECT c_name, o_orderkey FROM changed JOIN customer ON c_custkey = o_custkey;
-- merge stock
MERGE INTO partsupp USING (VALUES (1, 16, 5), (1, 31, 7)) AS v (p, s, n) ON ps_partkey = v.p AND ps_suppkey = v.s WHEN MATCHED THEN UPDATE SET ps_availqty = v.n WHEN NOT MATCHED THEN DO NOTHING;
-- merge customers
MERGE INTO customer USING (SELECT 9007 AS k) v ON c_custkey = v.k WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment) VALUES (v.k, 'n', 'a', 7, '1', 5, 'BUILDING');
-- update failing for visible rows
UPDATE orders SET o_totalprice = o_totalprice / (o_orderkey - o_orderkey);
