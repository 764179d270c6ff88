-- What the end-to-end tests stand on. Loaded as a superuser; `seed.sql` fills it.
CREATE SCHEMA archive;
CREATE TYPE level AS ENUM ('bronze', 'silver', 'gold');

CREATE TABLE regions (name text PRIMARY KEY, capital text NOT NULL, budget numeric(10,2) NOT NULL);
CREATE TABLE customers (
    id int PRIMARY KEY,
    region text NOT NULL REFERENCES regions,
    name text NOT NULL,
    email text NOT NULL UNIQUE,
    level level NOT NULL DEFAULT 'bronze',
    credit numeric(10,2) NOT NULL DEFAULT 0,
    tags text[] NOT NULL DEFAULT '{}',
    profile jsonb NOT NULL DEFAULT '{}',
    since date NOT NULL DEFAULT '2024-01-01');
CREATE TABLE orders (
    id int PRIMARY KEY,
    region text NOT NULL,
    customer_id int NOT NULL REFERENCES customers ON DELETE CASCADE,
    placed timestamp NOT NULL DEFAULT '2025-01-01',
    amount numeric(10,2) NOT NULL DEFAULT 0,
    note text);
CREATE INDEX ON orders (region);
CREATE TABLE items (
    order_id int NOT NULL REFERENCES orders ON DELETE CASCADE,
    line int NOT NULL,
    sku text NOT NULL,
    quantity int NOT NULL DEFAULT 1,
    price numeric(10,2) NOT NULL,
    PRIMARY KEY (order_id, line));
CREATE TABLE employees (
    id int PRIMARY KEY, region text NOT NULL, name text NOT NULL, boss_id int, salary int NOT NULL);
CREATE TABLE visits (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, region text NOT NULL DEFAULT 'North', what text, at date);
CREATE TABLE measures (region text NOT NULL, day date NOT NULL, value int, PRIMARY KEY (region, day))
    PARTITION BY RANGE (day);
CREATE TABLE measures_old PARTITION OF measures FOR VALUES FROM (MINVALUE) TO ('2025-01-01');
CREATE TABLE measures_new PARTITION OF measures FOR VALUES FROM ('2025-01-01') TO (MAXVALUE);
CREATE TABLE payroll (id int PRIMARY KEY, region text, amount int);
CREATE TABLE archive.orders (id int PRIMARY KEY, region text NOT NULL, note text);
CREATE TABLE "Mixed Case" ("Id" int PRIMARY KEY, "region" text NOT NULL, "select" text);
CREATE VIEW big_orders AS SELECT id, region, customer_id, amount FROM orders WHERE amount >= 100;
CREATE VIEW nested_orders(order_no, money) AS SELECT id, amount FROM big_orders WHERE amount < 100000;
CREATE VIEW everything_named AS
    SELECT 'order' AS kind, id FROM orders UNION ALL (SELECT 'customer', id FROM customers ORDER BY id LIMIT 100);
CREATE VIEW by_region AS
    WITH found AS (SELECT region, amount FROM orders) SELECT region, sum(amount) AS money FROM found GROUP BY region;
CREATE VIEW spread_orders AS SELECT o.*, n FROM orders o, generate_series(1, 2) AS g(n);
-- Its condition costs more than a reader's: PostgreSQL would run it last without the barrier.
CREATE VIEW barrier_orders WITH (security_barrier) AS SELECT * FROM orders WHERE upper(lower(id::text)) <> '1';
-- Written through: other names, expressions, check options, a view on a view, partitions, no other way to insert.
CREATE VIEW checked_orders AS SELECT id AS no, region, customer_id AS customer, amount AS money, note AS placed,
    1000 / amount AS part, (SELECT c.name FROM customers c WHERE c.id = customer_id) AS who
    FROM orders WHERE amount < 200 WITH CASCADED CHECK OPTION;
CREATE VIEW raising_orders AS SELECT no, region, customer, money, placed AS note FROM checked_orders
    WHERE 100 / (no - 13) > -50 AND money > 50 WITH LOCAL CHECK OPTION;
CREATE VIEW unchecked_orders AS SELECT id, region, note FROM orders WHERE region IN (SELECT name FROM regions WHERE budget < 1800);
CREATE VIEW recent_measures AS SELECT day, region, value AS number FROM measures WHERE day >= '2024-12-15' WITH CHECK OPTION;
