-- The same rows in both databases; may be run again.
TRUNCATE regions, customers, orders, items, employees, visits, measures, payroll, archive.orders, "Mixed Case"
    RESTART IDENTITY CASCADE;
INSERT INTO regions VALUES ('North', 'Kiel', 1000), ('South', 'Ulm', 2000), ('East', 'Gera', 1500), ('West', 'Trier', 500);
INSERT INTO customers VALUES
    (1, 'North', 'Nora', 'nora@example.com', 'gold', 100, '{vip,old}', '{"pets": ["cat"], "age": 40}', '2020-01-01'),
    (2, 'North', 'Nils', 'nils@example.com', 'silver', 50.5, '{new}', '{"pets": [], "age": 31}', '2024-03-01'),
    (3, 'North', 'Nina', 'nina@example.com', 'bronze', 0, '{}', '{}', '2025-02-01'),
    (4, 'South', 'Sara', 'sara@example.com', 'gold', 900, '{vip}', '{"pets": ["dog", "cow"], "age": 52}', '2019-05-05'),
    (5, 'South', 'Sven', 'sven@example.com', 'bronze', 10, '{old}', '{"age": 23}', '2023-07-01'),
    (6, 'East', 'Edda', 'edda@example.com', 'silver', 75, '{new,vip}', '{"age": 35}', '2022-02-02'),
    (7, 'West', 'Wim', 'wim@example.com', 'silver', 5, '{}', '{}', '2021-01-01');
INSERT INTO orders SELECT g, (ARRAY['North','South','East','West'])[1 + g % 4], 1 + g % 7,
    timestamp '2025-01-01' + g * interval '1 day 3 hours', g * 12.5, CASE WHEN g % 3 = 0 THEN NULL ELSE 'note ' || g END
    FROM generate_series(1, 24) g;
INSERT INTO items SELECT o.id, l, 'sku-' || (o.id + l) % 5, l, (o.id * 3 + l) % 17 FROM orders o, generate_series(1, 1 + o.id % 3) l;
INSERT INTO employees VALUES (1, 'North', 'Nele', NULL, 9000), (2, 'North', 'Noah', 1, 5000), (3, 'North', 'Nick', 2, 4000),
    (4, 'South', 'Suse', 1, 7000), (5, 'South', 'Stan', 4, 3000), (6, 'East', 'Emma', 1, 6500);
INSERT INTO visits (region, what, at) VALUES ('North', 'fair', '2025-01-02'), ('South', 'talk', '2025-02-03');
INSERT INTO measures SELECT r.name, d::date, length(r.name) * extract(month FROM d)::int
    FROM regions r, generate_series(date '2024-11-01', date '2025-02-01', interval '1 month') d;
INSERT INTO payroll VALUES (1, 'North', 111111), (2, 'South', 222222);
INSERT INTO archive.orders VALUES (1, 'North', 'old north'), (2, 'South', 'old south');
INSERT INTO "Mixed Case" VALUES (1, 'North', 'a'), (2, 'South', 'b');
