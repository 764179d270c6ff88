-- What tools ask of the catalog; blank lines part the statements. Each must run for everybody, and name no canary to Rita.

SELECT n.nspname, c.relname, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' END, pg_catalog.pg_get_userbyid(c.relowner), pg_catalog.pg_size_pretty(pg_catalog.pg_table_size(c.oid)), pg_catalog.obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relkind IN ('r', 'v', 'i', 'S') AND n.nspname = 'public' ORDER BY 1, 2

SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), a.attnotnull, pg_catalog.col_description(a.attrelid, a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = 'public.staff'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum

SELECT c2.relname, i.indisprimary, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true), pg_catalog.pg_get_constraintdef(con.oid, true), contype FROM pg_catalog.pg_class c, pg_catalog.pg_class c2, pg_catalog.pg_index i LEFT JOIN pg_catalog.pg_constraint con ON (conrelid = i.indrelid AND conindid = i.indexrelid AND contype IN ('p','u','x')) WHERE c.oid = 'staff'::regclass AND c.oid = i.indrelid AND i.indexrelid = c2.oid ORDER BY c2.relname

SELECT conname, conrelid::pg_catalog.regclass, confrelid::pg_catalog.regclass, pg_catalog.pg_get_constraintdef(oid, true) FROM pg_catalog.pg_constraint ORDER BY 1, 2

SELECT oid::regclass, oid::regclass::text, relnamespace::regnamespace FROM pg_class WHERE relkind IN ('r', 'v', 'i', 'S') ORDER BY 1

SELECT x::oid::regclass FROM generate_series(16384, 16600) x

SELECT x::oid::regtype, format_type(x::oid, NULL), x::oid::regproc, x::oid::regprocedure FROM generate_series(16384, 16600) x

SELECT pg_get_viewdef(x::oid), pg_get_indexdef(x::oid), pg_get_constraintdef(x::oid), obj_description(x::oid, 'pg_class'), obj_description(x::oid), shobj_description(x::oid, 'pg_database'), col_description(x::oid, 3), pg_get_functiondef(x::oid), pg_get_function_arguments(x::oid), pg_get_triggerdef(x::oid), pg_get_ruledef(x::oid) FROM generate_series(16384, 16600) x

SELECT pg_get_expr(d.adbin, r.oid) FROM pg_attrdef d, pg_class r WHERE r.relname IN ('staff', 'customers')

SELECT pg_get_expr(c.conbin, r.oid) FROM pg_constraint c, pg_class r WHERE c.conbin IS NOT NULL AND r.relname IN ('staff', 'customers')

SELECT * FROM information_schema.columns WHERE table_schema = 'public'

SELECT * FROM information_schema.table_constraints

SELECT * FROM information_schema.check_constraints

SELECT * FROM information_schema.key_column_usage

SELECT * FROM information_schema.constraint_column_usage

SELECT * FROM information_schema.referential_constraints

SELECT * FROM information_schema.tables WHERE table_schema = 'public'

SELECT * FROM information_schema.views WHERE table_schema = 'public'

SELECT * FROM information_schema.table_privileges WHERE table_schema = 'public'

SELECT * FROM information_schema.routines WHERE routine_schema = 'public'

SELECT * FROM information_schema.sequences

SELECT * FROM pg_catalog.pg_indexes WHERE schemaname = 'public'

SELECT * FROM pg_catalog.pg_views WHERE schemaname = 'public'

SELECT * FROM pg_catalog.pg_tables WHERE schemaname = 'public'

SELECT * FROM pg_catalog.pg_enum

SELECT * FROM pg_catalog.pg_type WHERE typnamespace = 'public'::regnamespace

SELECT * FROM pg_catalog.pg_description WHERE objoid >= 16384

SELECT * FROM pg_catalog.pg_depend

SELECT * FROM pg_catalog.pg_sequences

SELECT name, setting FROM pg_catalog.pg_settings

SELECT * FROM pg_catalog.pg_proc WHERE pronamespace = 'public'::regnamespace

SELECT * FROM pg_catalog.pg_rewrite WHERE ev_class >= 16384

SELECT pg_get_serial_sequence('staff', 'id'), has_table_privilege('staff', 'select'), has_table_privilege(current_user, 'staff', 'delete'), to_regclass('staff'), to_regclass('nowhere'), pg_typeof(1), current_setting('server_version'), has_schema_privilege('public', 'usage'), has_database_privilege(current_database(), 'connect')

SELECT typname, oid, typarray, oid::regtype::text, typdelim FROM pg_type t WHERE t.oid = to_regtype('text') ORDER BY t.oid

SELECT result.COLUMN_NAME, result.KEY_SEQ FROM (SELECT a.attname AS COLUMN_NAME, (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS A_ATTNUM FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid) JOIN pg_catalog.pg_index i ON (a.attrelid = i.indrelid) WHERE ct.relname = 'staff' AND i.indisprimary) result WHERE result.A_ATTNUM = (result.KEYS).x

SELECT nextval('staff_id_seq')

SELECT format_type('int4'::regtype, -1), format_type(x::text::regtype, NULL) FROM (VALUES ('text')) v (x)

SELECT ARRAY[x, x + 1]::regclass[], ARRAY[x]::regtype[]::text[], ARRAY[x]::regproc[], x::oid::regoper, x::oid::regoperator FROM generate_series(16384, 16600) x

SELECT p.proname, COALESCE(proallargtypes::regtype[], proargtypes::regtype[])::text[], prorettype::regtype::text, pg_get_expr(proargdefaults, 0) FROM pg_catalog.pg_proc p

SELECT * FROM information_schema.element_types

SELECT * FROM information_schema.user_defined_types

SELECT * FROM information_schema.domain_constraints

SELECT * FROM information_schema.domain_udt_usage

SELECT * FROM information_schema.column_domain_usage

SELECT * FROM pg_stat_all_tables

SELECT * FROM pg_stat_all_indexes

SELECT * FROM pg_statio_user_indexes

SELECT * FROM pg_locks

SELECT name, setting FROM pg_show_all_settings() AS s WHERE s.name LIKE 'e%' UNION ALL SELECT pg_show_all_settings.name, setting FROM pg_show_all_settings()

SELECT s.name, u.n FROM (VALUES (1)) u (n), pg_catalog.pg_show_all_settings() s (name, setting)

SELECT * FROM pg_cursors, pg_prepared_statements, pg_subscription, pg_user_mappings

SELECT name FROM pg_catalog.pg_timezone_names() WHERE name LIKE 'Europe/B%'
