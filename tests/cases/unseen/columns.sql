-- alter
SET session_replication_role = replica;
UPDATE customer SET c_name = '', c_address = repeat('x', 40), c_phone = 'none', c_acctbal = 0, c_mktsegment = 'BUILDING', c_comment = ''
    WHERE c_nationkey >= 20 AND c_nationkey <> 22;
UPDATE orders SET o_orderstatus = '', o_totalprice = (o_orderkey % 2) * 9999999999, o_orderdate = 'infinity', o_orderpriority = '',
    o_clerk = '', o_shippriority = 0, o_comment = repeat('x', 79) WHERE o_orderdate >= '1998-01-01';
UPDATE lineitem SET l_quantity = 0, l_extendedprice = 0, l_discount = 1, l_tax = -1, l_returnflag = 'R', l_linestatus = '', l_shipdate = '-infinity',
    l_commitdate = '1995-01-01', l_receiptdate = 'infinity', l_shipinstruct = '', l_comment = repeat('x', 44) WHERE l_shipmode = 'FOB';
-- add
SET session_replication_role = replica;
INSERT INTO customer SELECT 20000 + g, '', '', 24, '', 0, 'BUILDING', '' FROM generate_series(1, 50) g;
INSERT INTO orders SELECT 20000 + g, 1 + g, 'F', 0, '1999-03-01', '1-URGENT', '', 0, '' FROM generate_series(1, 50) g;
INSERT INTO lineitem SELECT g, 1, 1, 90, 0, 0, 0, 0, 'R', 'F', '1995-03-02', '1995-03-02', '1995-03-03', 'NONE', 'FOB', ''
    FROM generate_series(1, 90) g;
-- delete
SET session_replication_role = replica;
DELETE FROM lineitem WHERE l_shipmode = 'FOB' AND l_orderkey % 2 = 0;
DELETE FROM orders WHERE o_orderdate >= '1998-01-01' AND o_orderkey % 2 = 0;
DELETE FROM customer WHERE c_nationkey >= 20 AND c_nationkey <> 22 AND c_custkey % 2 = 0;
