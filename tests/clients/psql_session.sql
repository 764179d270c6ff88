-- psql's own means: variables, \gset, \gexec, \watch's kin, \copy, cursors by FETCH_COUNT, transactions.
\set QUIET on
\pset pager off
\pset format unaligned
\timing off
\echo settings
SHOW search_path;
SET statement_timeout = '20s';
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SHOW default_transaction_isolation;
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
\encoding UTF8
\echo rows
SELECT id, name FROM customers ORDER BY id;
SELECT * FROM papers ORDER BY id LIMIT 1 \gx
\echo variables
SELECT count(*) AS customers, max(id) AS last FROM customers \gset
\echo :customers :last
\set who '%o%'
SELECT id FROM customers WHERE name LIKE :'who' AND id <= :last ORDER BY id;
\set column name
SELECT :"column" FROM regions ORDER BY 1;
\echo describe
SELECT id, level, tags, price FROM papers WHERE id > 0 \gdesc
\echo crosstab
SELECT region, level, count(*) FROM papers GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview
\echo gexec
SELECT format('SELECT %L AS level, count(*) FROM papers WHERE level = %L', l, l) FROM unnest(enum_range(NULL::level)) l \gexec
\echo fetch count
\set FETCH_COUNT 2
SELECT id, title FROM papers ORDER BY id;
\unset FETCH_COUNT
\echo copy
\copy (SELECT id, name FROM customers ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)
\copy customers (id) TO '/dev/null'
COPY (SELECT name FROM regions ORDER BY 1) TO STDOUT;
\echo transactions
\set ON_ERROR_ROLLBACK on
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT 1/0;
SELECT count(*) FROM notes;
SAVEPOINT a;
DELETE FROM notes;
ROLLBACK TO a;
INSERT INTO papers (region, title) SELECT region, 'psql' FROM papers ORDER BY id LIMIT 1 RETURNING title;
ROLLBACK;
\unset ON_ERROR_ROLLBACK
START TRANSACTION READ ONLY;
DELETE FROM notes;
ABORT;
BEGIN; SELECT 1; SELECT count(*) FROM regions; END;
\echo cursors
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM customers ORDER BY id;
FETCH 2 FROM c;
FETCH LAST FROM c;
MOVE FIRST IN c;
FETCH ALL FROM c;
CLOSE c;
COMMIT;
\echo prepared
PREPARE one (int) AS SELECT id, name FROM customers WHERE id > $1 ORDER BY id LIMIT 2;
EXECUTE one (0);
EXECUTE one (2);
DEALLOCATE one;
\echo several statements in one
SELECT 1 \; SELECT count(*) FROM customers \; SELECT 2;
\echo errors
\set VERBOSITY sqlstate
SELECT nothing FROM customers;
SELECT * FROM nowhere;
SELEC 1;
BEGIN;
INSERT INTO papers (region, title) VALUES ('Nowhere', 'x');
ROLLBACK;
INSERT INTO papers (region, title) SELECT region, title FROM papers ORDER BY id LIMIT 1;
DISCARD ALL;
RESET ALL;
\q
