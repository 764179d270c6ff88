-- Canaries: every name with `canary` in it belongs to something that Rita must not know of.
CREATE TYPE canary_enum AS ENUM ('canary_label');
CREATE FUNCTION canary_function(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE canary_table (canary_id serial PRIMARY KEY, canary_kind canary_enum);
COMMENT ON TABLE canary_table IS 'canary comment on a table';
CREATE TABLE staff (
    id serial PRIMARY KEY,
    region text NOT NULL DEFAULT 'North',
    canary_salary int NOT NULL DEFAULT 4711 CONSTRAINT canary_check CHECK (canary_salary > 0),
    canary_ref int CONSTRAINT canary_foreign REFERENCES canary_table,
    grade int GENERATED ALWAYS AS (canary_salary / 1000) STORED,
    CONSTRAINT staff_region_filled CHECK (region <> ''));
COMMENT ON TABLE staff IS 'people at work';
COMMENT ON COLUMN staff.region IS 'where';
COMMENT ON COLUMN staff.canary_salary IS 'canary comment on a column';
CREATE INDEX staff_region ON staff (region);
CREATE INDEX canary_index ON staff (canary_salary);
CREATE INDEX canary_expression ON staff ((canary_salary + 1));
CREATE VIEW canary_view AS SELECT id, canary_salary FROM staff;
CREATE VIEW staff_regions AS SELECT id, region FROM staff;
GRANT SELECT, INSERT ON staff TO pgcordon;
GRANT USAGE ON SEQUENCE staff_id_seq TO pgcordon;
GRANT SELECT ON canary_table, canary_view, staff_regions TO pgcordon;
