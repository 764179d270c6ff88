-- `policy.yaml` said with PostgreSQL's own means: the oracle.
GRANT USAGE ON SCHEMA public, archive TO rita, ralf, max;
GRANT SELECT ON ALL TABLES IN SCHEMA public, archive TO rita, ralf, max;
REVOKE ALL ON payroll FROM rita, ralf, max;
GRANT INSERT, UPDATE, DELETE ON customers, orders, items, visits, measures, measures_old, measures_new TO rita, ralf, max;
GRANT UPDATE ON big_orders TO rita, ralf, max;
GRANT INSERT, UPDATE, DELETE ON big_orders, nested_orders, barrier_orders, by_region, checked_orders, raising_orders,
    unchecked_orders, recent_measures TO rita, ralf, max;
CREATE FUNCTION own_region() RETURNS text LANGUAGE sql STABLE AS
    $$SELECT CASE current_user WHEN 'rita' THEN 'North' WHEN 'ralf' THEN 'South' END$$;
DO $$
DECLARE relation text;
BEGIN
    -- Views ask the reader's rules, as pgcordon's do.
    FOREACH relation IN ARRAY ARRAY['big_orders', 'nested_orders', 'everything_named', 'by_region', 'spread_orders', 'barrier_orders',
        'checked_orders', 'raising_orders', 'unchecked_orders', 'recent_measures'] LOOP
        EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', relation);
    END LOOP;
END $$;
DO $$
DECLARE relation regclass;
BEGIN
    FOREACH relation IN ARRAY ARRAY['customers', 'orders', 'visits', 'measures', 'measures_old', 'measures_new', 'employees', 'archive.orders', '"Mixed Case"']::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
        EXECUTE format('CREATE POLICY own ON %s TO rita, ralf USING (region = own_region()) WITH CHECK (region = own_region())', relation);
        EXECUTE format('CREATE POLICY everything ON %s TO max USING (true) WITH CHECK (true)', relation);
    END LOOP;
END $$;
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON items TO rita, ralf
    USING (order_id IN (SELECT o.id FROM orders o WHERE o.region = own_region()))
    WITH CHECK (order_id IN (SELECT o.id FROM orders o WHERE o.region = own_region()));
CREATE POLICY everything ON items TO max USING (true) WITH CHECK (true);
