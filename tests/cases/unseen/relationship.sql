-- alter
SET session_replication_role = replica;
CREATE TEMP TABLE europe AS SELECT n_nationkey FROM nation JOIN region ON r_regionkey = n_regionkey WHERE r_name = 'EUROPE';
UPDATE orders SET o_orderstatus = '', o_totalprice = (o_orderkey % 2) * 9999999999, o_orderdate = (ARRAY['infinity', '1995-03-01'])[1 + o_orderkey % 2]::date,
    o_orderpriority = '', o_clerk = '', o_shippriority = 0, o_comment = repeat('x', 79)
    WHERE o_custkey IN (SELECT c_custkey FROM customer WHERE c_nationkey NOT IN (TABLE europe));
UPDATE lineitem SET l_quantity = 0, l_extendedprice = 0, l_discount = 1, l_tax = -1, l_returnflag = 'R', l_linestatus = '', l_shipdate = '-infinity',
    l_commitdate = '1995-01-01', l_receiptdate = 'infinity', l_shipinstruct = '', l_shipmode = 'AIR', l_comment = repeat('x', 44)
    WHERE l_orderkey IN (SELECT o_orderkey FROM orders JOIN customer ON c_custkey = o_custkey WHERE c_nationkey NOT IN (TABLE europe));
UPDATE customer SET c_name = '', c_address = repeat('x', 40), c_phone = 'none', c_acctbal = 0, c_mktsegment = 'BUILDING', c_comment = ''
    WHERE c_nationkey NOT IN (TABLE europe);
UPDATE customer SET c_name = '', c_phone = '', c_acctbal = -99999999 WHERE c_acctbal <= -900;
UPDATE partsupp SET ps_availqty = 0, ps_supplycost = 0, ps_comment = repeat('x', 199)
    WHERE ps_suppkey IN (SELECT s_suppkey FROM supplier WHERE s_nationkey NOT IN (6, 7, 22) AND s_nationkey % 5 <> 3);
UPDATE supplier SET s_name = '', s_address = '', s_phone = 'none', s_acctbal = 0, s_comment = 'Customer Complaints'
    WHERE s_nationkey NOT IN (6, 7, 22) AND s_nationkey % 5 <> 3;
DROP TABLE europe;
-- add
SET session_replication_role = replica;
INSERT INTO customer SELECT 20000 + g, '', '', g % 5, '', 0, 'BUILDING', '' FROM generate_series(1, 50) g;
INSERT INTO orders SELECT 20000 + g, 20000 + g, 'F', 0, '1995-03-01', '1-URGENT', '', 0, '' FROM generate_series(1, 50) g;
INSERT INTO lineitem SELECT 20000 + g, 1, 1, 1, 0, 0, 0, 0, 'R', 'F', '1995-03-02', '1995-03-02', '1995-03-03', 'NONE', 'AIR', ''
    FROM generate_series(1, 50) g;
INSERT INTO supplier SELECT 20000 + g, '', '', 1, '', 0, '' FROM generate_series(1, 20) g;
INSERT INTO partsupp SELECT 1 + g, 20000 + g, 0, 0, '' FROM generate_series(1, 20) g;
-- delete
SET session_replication_role = replica;
CREATE TEMP TABLE europe AS SELECT n_nationkey FROM nation JOIN region ON r_regionkey = n_regionkey WHERE r_name = 'EUROPE';
DELETE FROM lineitem WHERE l_linenumber < 3
    AND l_orderkey IN (SELECT o_orderkey FROM orders JOIN customer ON c_custkey = o_custkey WHERE c_nationkey NOT IN (TABLE europe));
DELETE FROM orders WHERE o_orderkey % 2 = 0 AND o_custkey IN (SELECT c_custkey FROM customer WHERE c_nationkey NOT IN (TABLE europe));
DELETE FROM customer WHERE c_custkey % 3 = 0 AND c_nationkey NOT IN (TABLE europe);
DELETE FROM partsupp WHERE ps_partkey % 2 = 0
    AND ps_suppkey IN (SELECT s_suppkey FROM supplier WHERE s_nationkey NOT IN (6, 7, 22) AND s_nationkey % 5 <> 3);
DELETE FROM supplier WHERE s_suppkey % 2 = 0 AND s_nationkey NOT IN (6, 7, 22) AND s_nationkey % 5 <> 3;
DROP TABLE europe;
