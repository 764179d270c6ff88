-- Rows by a hash of their number and a seed: the same in every run.
CREATE FUNCTION pick(seed int, number bigint, count int) RETURNS int LANGUAGE sql IMMUTABLE AS
    $$SELECT (abs(hashint8extended(number, seed)::numeric) % count)::int$$;
CREATE FUNCTION word(seed int, number bigint, words text[]) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT words[1 + pick(seed, number, cardinality(words))]$$;
INSERT INTO region SELECT n - 1, name, 'region ' || n
    FROM unnest(ARRAY['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST']) WITH ORDINALITY AS r (name, n);
INSERT INTO nation SELECT n - 1, name, (ARRAY[0,1,1,1,4,0,3,3,2,2,4,4,2,4,0,0,0,1,2,3,4,2,3,3,1])[n], 'nation ' || n
    FROM unnest(ARRAY['ALGERIA', 'ARGENTINA', 'BRAZIL', 'CANADA', 'EGYPT', 'ETHIOPIA', 'FRANCE', 'GERMANY', 'INDIA', 'INDONESIA',
        'IRAN', 'IRAQ', 'JAPAN', 'JORDAN', 'KENYA', 'MOROCCO', 'MOZAMBIQUE', 'PERU', 'CHINA', 'ROMANIA', 'SAUDI ARABIA', 'VIETNAM',
        'RUSSIA', 'UNITED KINGDOM', 'UNITED STATES']) WITH ORDINALITY AS r (name, n);
INSERT INTO part SELECT g,
    word(1, g, ARRAY['almond', 'forest', 'green', 'ivory', 'lemon']) || ' ' || word(2, g, ARRAY['blue', 'chocolate', 'drab', 'green', 'navy']),
    'Manufacturer#' || 1 + pick(3, g, 5), 'Brand#' || 1 + pick(3, g, 5) || 1 + pick(4, g, 5),
    word(5, g, ARRAY['STANDARD', 'SMALL', 'MEDIUM', 'LARGE', 'ECONOMY', 'PROMO']) || ' '
        || word(6, g, ARRAY['ANODIZED', 'BURNISHED', 'PLATED', 'POLISHED', 'BRUSHED']) || ' '
        || word(7, g, ARRAY['TIN', 'NICKEL', 'BRASS', 'STEEL', 'COPPER']),
    1 + pick(8, g, 50), word(9, g, ARRAY['SM', 'MED', 'LG', 'JUMBO', 'WRAP']) || ' ' || word(10, g, ARRAY['CASE', 'BOX', 'BAG', 'PACK', 'PKG']),
    900 + pick(11, g, 100000) / 100.0, 'part ' || pick(12, g, 1000)
    FROM generate_series(1, 300) g;
INSERT INTO supplier SELECT g, 'Supplier#' || lpad(g::text, 9, '0'), 'street ' || pick(20, g, 900), pick(21, g, 25),
    10 + pick(21, g, 25) || '-' || 100 + pick(22, g, 900) || '-' || 1000 + pick(23, g, 9000), pick(24, g, 1100000) / 100.0 - 1000,
    CASE WHEN pick(25, g, 9) = 0 THEN 'Customer x Complaints' ELSE 'quiet' END
    FROM generate_series(1, 60) g;
INSERT INTO partsupp SELECT p, 1 + (p + k * 15) % 60, 1 + pick(30, p * 4 + k, 9999), 1 + pick(31, p * 4 + k, 100000) / 100.0, 'ps ' || k
    FROM generate_series(1, 300) p, generate_series(0, 3) k;
INSERT INTO customer SELECT g, 'Customer#' || lpad(g::text, 9, '0'), 'road ' || pick(40, g, 900), pick(41, g, 25),
    10 + pick(41, g, 25) || '-' || 100 + pick(42, g, 900) || '-' || 1000 + pick(43, g, 9000), pick(44, g, 1100000) / 100.0 - 1000,
    word(45, g, ARRAY['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'MACHINERY', 'HOUSEHOLD']), 'about ' || pick(46, g, 1000)
    FROM generate_series(1, 300) g;
INSERT INTO orders SELECT g, 1 + pick(50, g, 299), word(51, g, ARRAY['F', 'O', 'P']), 0,
    date '1992-01-01' + pick(52, g, 2400), word(53, g, ARRAY['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW']),
    'Clerk#' || lpad((1 + pick(54, g, 20))::text, 9, '0'), 0,
    CASE WHEN pick(55, g, 12) = 0 THEN 'special packages requests' ELSE 'order ' || pick(56, g, 99) END
    FROM generate_series(1, 1500) g;
INSERT INTO lineitem SELECT o_orderkey, part, supp, line, quantity, quantity * p_retailprice, pick(60, row, 11) / 100.0, pick(61, row, 9) / 100.0,
    word(62, row, ARRAY['R', 'A', 'N']), word(63, row, ARRAY['O', 'F']), shipped, o_orderdate + 30 + pick(65, row, 61),
    shipped + 1 + pick(66, row, 30), word(67, row, ARRAY['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN']),
    word(68, row, ARRAY['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB']), 'line ' || pick(69, row, 99)
    FROM (SELECT o.*, line, o_orderkey * 8 + line AS row, 1 + pick(70, o_orderkey * 8 + line, 300) AS part,
            1 + (1 + pick(70, o_orderkey * 8 + line, 300) + pick(71, o_orderkey * 8 + line, 4) * 15) % 60 AS supp,
            1 + pick(72, o_orderkey * 8 + line, 50) AS quantity, o_orderdate + 1 + pick(64, o_orderkey * 8 + line, 121) AS shipped
        FROM orders o, generate_series(1, 1 + pick(73, o_orderkey, 7)) line) l JOIN part ON p_partkey = part;
UPDATE orders SET o_totalprice = coalesce((SELECT sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) FROM lineitem WHERE l_orderkey = o_orderkey), 0);
DROP FUNCTION word;
DROP FUNCTION pick;
ANALYZE;
