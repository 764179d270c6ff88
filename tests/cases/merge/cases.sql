-- hidden row is not matched, its key is taken
MERGE INTO docs USING (VALUES (4, 'North')) AS s (id, region) ON docs.id = s.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (id, region, owner, title) VALUES (s.id, s.region, 'rita', 't');
-- hidden rows are not deleted
MERGE INTO docs d USING teams t ON d.state = 'new' AND t.id = 1 WHEN MATCHED THEN DELETE;
-- update what one may not change
MERGE INTO docs d USING (VALUES (2)) s (id) ON d.id = s.id WHEN MATCHED THEN UPDATE SET title = 'x';
-- update what one may change
MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED THEN UPDATE SET title = 'x', size = size + s.id;
-- delete what one may not delete
MERGE INTO docs d USING (VALUES (3)) s (id) ON d.id = s.id WHEN MATCHED THEN DELETE;
-- delete what one may delete
MERGE INTO docs d USING (VALUES (1), (2)) s (id) ON d.id = s.id WHEN MATCHED THEN DELETE;
-- a condition that does not hold keeps the check away
MERGE INTO docs d USING (VALUES (2)) s (id) ON d.id = s.id WHEN MATCHED AND d.title = 'else' THEN UPDATE SET title = 'x' WHEN MATCHED AND d.size < 0 THEN DELETE WHEN MATCHED THEN DO NOTHING;
-- a condition of null is none
MERGE INTO docs d USING (VALUES (2)) s (id) ON d.id = s.id WHEN MATCHED AND NULL THEN UPDATE SET title = 'x';
-- foreign before unique
MERGE INTO docs d USING (VALUES (2)) s (id) ON d.id = -s.id WHEN NOT MATCHED THEN INSERT (id, region, owner, title) VALUES (s.id, 'West', 'rita', 't');
-- foreign before not null
MERGE INTO docs d USING (VALUES (20)) s (id) ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, owner) VALUES (s.id, 'West', 'rita');
-- not null alone
MERGE INTO docs d USING (VALUES (20)) s (id) ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, owner) VALUES (s.id, 'North', 'rita');
-- insert without an owner
MERGE INTO docs d USING (VALUES (20)) s (id) ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, title) VALUES (s.id, 'North', 't');
-- insert own
MERGE INTO docs d USING (VALUES (20, 'rita', 'North'), (21, 'ralf', 'South')) s (id, owner, region) ON d.id = s.id WHEN NOT MATCHED AND s.owner = CASE s.region WHEN 'North' THEN 'rita' ELSE 'x' END THEN INSERT (title, id, region, owner) VALUES (upper(s.owner), s.id, s.region, s.owner);
-- insert without a list
MERGE INTO docs USING feed AS f ON docs.id = f.id WHEN NOT MATCHED AND f.title IS NOT NULL THEN INSERT VALUES (f.id, f.region, f.owner, 'old', f.title, f.size, 'abc', ARRAY['a', f.title]);
-- insert with a default of an unread column
MERGE INTO docs USING feed AS f ON docs.id = f.id WHEN NOT MATCHED AND f.title > '' THEN INSERT (id, region, owner, title, state, code) VALUES (f.id, f.region, f.owner, f.title, DEFAULT, DEFAULT);
-- insert default values
MERGE INTO docs USING feed AS f ON docs.id = f.id WHEN NOT MATCHED THEN INSERT DEFAULT VALUES;
-- check over an assigned column
MERGE INTO docs d USING feed f ON d.id = f.id AND d.owner = f.owner WHEN MATCHED AND d.id <> 5 THEN UPDATE SET size = f.size * 5;
-- check over two assigned columns
MERGE INTO docs d USING feed f ON d.id = f.id AND d.owner = f.owner WHEN MATCHED THEN UPDATE SET size = f.size, state = CASE WHEN f.size > 20 THEN 'secret' ELSE 'ok' END, title = f.title;
-- check over a row constructor
MERGE INTO docs d USING feed f ON d.id = f.id AND d.owner = f.owner WHEN MATCHED AND f.id < 3 THEN UPDATE SET (size, state) = (f.size, 'ok'), (title) = ROW(f.title || d.title);
-- check over a row constructor, foreign
MERGE INTO docs d USING feed f ON d.id = f.id AND d.owner = f.owner WHEN MATCHED THEN UPDATE SET (size, owner) = ROW(f.size, 'nobody');
-- given away
MERGE INTO docs d USING (VALUES (1), (5)) s (id) ON d.id = s.id WHEN MATCHED THEN UPDATE SET owner = 'max';
-- moved out of sight
MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED THEN UPDATE SET region = 'East';
-- moved out of sight by default
MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED THEN UPDATE SET region = DEFAULT;
-- owner by default
MERGE INTO docs d USING (VALUES (1), (5)) s (id) ON d.id = s.id WHEN MATCHED THEN UPDATE SET owner = DEFAULT;
-- size by a sub-select
MERGE INTO docs d USING (VALUES (1), (3), (5)) s (id) ON d.id = s.id WHEN MATCHED AND d.owner <> 'x' THEN UPDATE SET size = (SELECT max(f.size) FROM feed f WHERE f.id <= d.id), title = (SELECT string_agg(f.title, ',') FROM feed f);
-- size by a sub-select, too large
MERGE INTO docs d USING (VALUES (1), (3)) s (id) ON d.id = s.id WHEN MATCHED THEN UPDATE SET size = (SELECT sum(f.size) FROM feed f);
-- region of a new row by a sub-select
MERGE INTO docs d USING (VALUES (30)) s (id) ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, owner, title) VALUES (s.id, (SELECT min(f.region) FROM feed f WHERE f.id < s.id), 'rita', 't');
-- region of a new row by a sub-select, foreign
MERGE INTO docs d USING (VALUES (30)) s (id) ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, owner, title) VALUES (s.id, (SELECT min(f.region) || 'x' FROM feed f), 'rita', 't');
-- region of a new row by a cte
WITH r AS (SELECT region FROM feed LIMIT 1) MERGE INTO docs d USING (VALUES (30)) s (id) ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, owner, title) VALUES (s.id, (TABLE r), 'rita', 't');
-- source is a cte
WITH s AS (SELECT id, title FROM feed WHERE size > 5) MERGE INTO docs AS d USING s ON s.id = d.id WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET title = s.title WHEN MATCHED THEN DO NOTHING;
-- source is a cte that writes
WITH s AS (DELETE FROM docs WHERE id IN (2, 5) RETURNING id, title) MERGE INTO members m USING s ON m.team_id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.title);
-- source is a sub-select
MERGE INTO docs d USING (SELECT f.id, count(*) AS n FROM feed f JOIN teams t ON t.id >= f.id GROUP BY f.id) AS s ON s.id = d.id WHEN MATCHED AND d.owner = 'rita' AND s.n > 1 THEN UPDATE SET size = s.n;
-- source is a join
MERGE INTO docs d USING feed f JOIN teams t ON t.id = f.id LEFT JOIN members m ON m.team_id = t.id ON d.id = f.id AND m.who = 'rita' WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET title = t.name || coalesce(m.role, '?') WHEN NOT MATCHED THEN DO NOTHING;
-- source is a join with using
MERGE INTO docs d USING (feed f JOIN teams t USING (id)) ON d.id = f.id AND t.name = 'a' WHEN MATCHED AND d.owner = f.owner THEN UPDATE SET title = name;
-- source is a function
MERGE INTO docs d USING generate_series(1, 3) AS g (n) ON d.id = g.n WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET size = g.n * 2 WHEN MATCHED THEN DO NOTHING;
-- source is the target
MERGE INTO docs d USING docs s ON d.id = s.id + 2 WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET title = s.title;
-- source is hidden
MERGE INTO docs d USING secret s ON d.id = s.id WHEN MATCHED THEN DELETE;
-- target is hidden
MERGE INTO secret d USING docs s ON d.id = s.id WHEN MATCHED THEN DELETE;
-- target may only be read
MERGE INTO feed d USING docs s ON d.id = s.id WHEN MATCHED THEN DELETE;
-- target may only be read, and nothing is done
MERGE INTO feed d USING docs s ON d.id = s.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN DO NOTHING;
-- blind: nothing of it is read
MERGE INTO blind USING (VALUES ('x')) s (note) ON true WHEN MATCHED THEN UPDATE SET note = s.note;
-- blind: deleted as they may
MERGE INTO blind USING (VALUES ('x')) s (note) ON true WHEN MATCHED AND s.note = 'y' THEN DELETE;
-- blind: inserted
MERGE INTO blind USING (VALUES ('North', 'x'), ('South', 'y')) s (region, note) ON false WHEN NOT MATCHED AND s.note = 'x' THEN INSERT (region, note) VALUES (s.region, s.note);
-- blind: may not be looked at
MERGE INTO blind USING (VALUES ('x')) s (note) ON blind.note = s.note WHEN MATCHED THEN UPDATE SET note = s.note;
-- blind: may not even be left alone
MERGE INTO blind USING (VALUES ('x')) s (note) ON true WHEN MATCHED THEN DO NOTHING;
-- nothing of the target is read
MERGE INTO docs USING (VALUES ('x')) s (note) ON true WHEN MATCHED THEN UPDATE SET title = s.note;
-- nothing of the target is read, and it is inserted out of sight
MERGE INTO members USING (VALUES (9, 'x')) s (id, note) ON false WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.note);
-- members of own teams
MERGE INTO members m USING (VALUES (1, 'ralf', 'changed'), (1, 'max', 'new'), (3, 'max', 'new')) s (team, who, role) ON m.team_id = s.team AND m.who = s.who WHEN MATCHED THEN UPDATE SET role = s.role WHEN NOT MATCHED AND s.team IN (1) THEN INSERT (team_id, who, role) VALUES (s.team, s.who, s.role);
-- members of other teams
MERGE INTO members m USING (VALUES (2, 'max', 'new')) s (team, who, role) ON m.team_id = s.team AND m.who = s.who WHEN NOT MATCHED THEN INSERT (team_id, who, role) VALUES (s.team, s.who, s.role);
-- member moved to another team
MERGE INTO members AS m USING teams ON m.team_id = teams.id AND m.who = 'ralf' WHEN MATCHED THEN UPDATE SET team_id = teams.id + 1;
-- partitions
MERGE INTO logs l USING (VALUES ('2025-01-01'::date, 'North', 5), ('2025-01-01', 'South', 6), ('2025-02-01', 'North', 7)) s (day, region, n) ON l.day = s.day AND l.region = s.region WHEN MATCHED THEN UPDATE SET n = l.n + s.n WHEN NOT MATCHED AND s.region = 'North' THEN INSERT VALUES (s.day, s.region, s.n);
-- partitions, foreign
MERGE INTO logs l USING (VALUES ('2025-02-01'::date, 'East', 7)) s (day, region, n) ON l.day = s.day AND l.region = s.region WHEN NOT MATCHED THEN INSERT VALUES (s.day, s.region, s.n);
-- a row moves to another partition
MERGE INTO logs l USING (VALUES ('2025-01-02'::date)) s (day) ON l.day = s.day WHEN MATCHED THEN UPDATE SET region = 'East';
-- one partition by its name
MERGE INTO logs_north l USING (VALUES ('2025-01-02'::date)) s (day) ON l.day = s.day WHEN MATCHED THEN DELETE;
-- heirs
MERGE INTO things t USING (VALUES (1), (2), (3), (4), (5)) s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = t.name || '!' WHEN NOT MATCHED AND s.id = 5 THEN INSERT VALUES (s.id, 'North', 'e');
-- only the parent
MERGE INTO ONLY things t USING (VALUES (1), (2), (3), (4)) s (id) ON t.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING;
-- a visible row twice
MERGE INTO docs d USING (VALUES (1), (1)) s (id) ON d.id = s.id WHEN MATCHED THEN DELETE;
-- a hidden row twice
MERGE INTO docs d USING (VALUES (4), (4)) s (id) ON d.id = s.id WHEN MATCHED THEN DELETE;
-- on could raise over a hidden row
MERGE INTO docs d USING (VALUES (6)) s (id) ON d.title::int = s.id AND d.state = 'old' WHEN MATCHED THEN DO NOTHING;
-- on could raise over hidden rows alone
MERGE INTO docs d USING teams t ON d.id = t.id AND 1 / (CASE WHEN d.region = 'North' THEN 1 ELSE 0 END) = 1 WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN DO NOTHING;
-- on could raise over hidden rows of the source
MERGE INTO docs d USING feed f ON d.id = f.id AND 1 / (CASE WHEN f.region = 'North' THEN 1 ELSE 0 END) = 1 WHEN MATCHED AND d.owner = f.owner AND f.size < 100 AND d.id < 4 THEN UPDATE SET size = f.size;
-- a condition raises over a visible row
MERGE INTO docs d USING feed f ON d.id = f.id WHEN MATCHED AND d.title::int = 1 THEN DO NOTHING;
-- a condition raises before the check does
MERGE INTO docs d USING (VALUES (2)) f (id) ON d.id = f.id WHEN MATCHED AND 1 / (f.id - 2) = 1 THEN UPDATE SET title = 'x';
-- conditions with sub-selects
MERGE INTO docs d USING feed f ON d.id = f.id AND EXISTS (SELECT 1 FROM feed g WHERE g.id = d.id AND g.region = d.region) WHEN MATCHED AND (SELECT count(*) FROM docs x WHERE x.region = d.region) > 3 AND d.owner = 'rita' THEN UPDATE SET title = (SELECT count(*) FROM docs)::text WHEN NOT MATCHED AND f.id IN (SELECT id FROM docs) THEN DO NOTHING;
-- a case as condition
MERGE INTO docs d USING feed f ON CASE WHEN d.id = f.id THEN true ELSE false END WHEN MATCHED AND CASE WHEN d.owner = 'rita' THEN true END THEN UPDATE SET title = CASE WHEN f.id = 1 THEN 'one' ELSE 'more' END WHEN NOT MATCHED AND CASE f.id WHEN 7 THEN true END THEN INSERT (id, region, owner, title) VALUES (f.id, f.region, f.owner, CASE WHEN true THEN f.title END);
-- comments and quoted words
MERGE INTO docs AS "when" USING feed AS "then" ON "when".id = "then".id /* when */ -- when matched
WHEN MATCHED AND "when".owner = 'when' -- then
THEN UPDATE SET title = 'then' -- when
WHEN NOT MATCHED /* and */ THEN DO NOTHING -- end
;
-- whole rows of the target
MERGE INTO docs d USING feed f ON d.id = f.id WHEN MATCHED AND d IS NOT NULL AND d.owner = 'rita' THEN UPDATE SET title = (d.*)::text;
-- system columns of the target
MERGE INTO docs d USING feed f ON d.id = f.id AND d.tableoid > 0 WHEN MATCHED AND d.tableoid > 0 AND d.owner = 'rita' THEN UPDATE SET title = 'table';
-- a system column that a condition may not have
MERGE INTO docs d USING feed f ON d.id = f.id WHEN MATCHED AND d.ctid IS NOT NULL THEN DO NOTHING;
-- qualified names
MERGE INTO public.docs USING public.feed ON public.docs.id = feed.id WHEN MATCHED AND public.docs.owner = public.feed.owner AND docs.id < 2 THEN UPDATE SET title = public.feed.title;
-- the target out of reach
MERGE INTO docs d USING feed f ON d.id = f.id WHEN NOT MATCHED THEN INSERT (id) VALUES (d.id);
-- an alias twice
MERGE INTO docs d USING feed d ON true WHEN MATCHED THEN DO NOTHING;
-- unreachable clause
MERGE INTO docs d USING feed f ON d.id = f.id WHEN MATCHED THEN DO NOTHING WHEN MATCHED AND d.id = 1 THEN DELETE;
-- ambiguous column
MERGE INTO docs d USING feed f ON d.id = f.id WHEN MATCHED AND owner = 'rita' THEN DELETE;
-- types of the columns
MERGE INTO docs d USING (VALUES (40)) s (id) ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, owner, title, size, code, tags) VALUES (s.id, 'North', 'rita', 7, '12.345', 'ab', '{p,q}');
-- a value that is too long
MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET code = 'abcd';
-- a wrong type; refused 42846
MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED THEN UPDATE SET size = true;
-- part of a column that no rule reads
MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET tags[1] = 'p', title = d.tags[1];
-- several columns by a sub-select that no rule reads
MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET (title, code) = (SELECT f.title, 'c' FROM feed f WHERE f.id = s.id);
-- a random value that no rule reads
MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET title = (random() < 2)::text;
-- identity and its like
MERGE INTO kinds k USING (VALUES (7, 'North'), (8, 'South')) s (id, region) ON k.id = s.id WHEN NOT MATCHED AND s.id = 7 THEN INSERT (id, region, kind, serial) OVERRIDING SYSTEM VALUE VALUES (s.id, s.region, 'some', 5);
-- overriding user value
MERGE INTO kinds k USING (VALUES (7, 'North')) s (id, region) ON k.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, kind, serial) OVERRIDING USER VALUE VALUES (s.id, s.region, 'some', 5);
-- a forbidden kind
MERGE INTO kinds k USING (VALUES (7, 'North')) s (id, region) ON k.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, kind) VALUES (s.id, s.region, 'forbidden');
-- a null kind
MERGE INTO kinds k USING (VALUES (7, 'North')) s (id, region) ON k.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, kind) VALUES (s.id, s.region, NULL);
-- default of a column that a rule reads; refused
MERGE INTO kinds k USING (VALUES (7, 'x')) s (id, kind) ON k.id = s.id WHEN NOT MATCHED THEN INSERT (id, kind) VALUES (s.id, s.kind);
-- default of a domain that a rule reads; refused
MERGE INTO kinds k USING (VALUES (7, 'North')) s (id, region) ON k.id = s.id WHEN NOT MATCHED THEN INSERT (id, region) VALUES (s.id, s.region);
-- a generated column that a rule reads; refused
MERGE INTO kinds k USING (VALUES (1)) s (id) ON k.id = s.id WHEN MATCHED THEN UPDATE SET kind = 'x';
-- a trigger that could move the row; refused
MERGE INTO stamped t USING (VALUES (1)) s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET note = 'z';
-- a row that a trigger would move; refused
MERGE INTO stamped t USING (VALUES (1)) s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET note = 'move';
-- a new row that a trigger would move; refused
MERGE INTO stamped t USING (VALUES (9)) s (id) ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (9, 'North', 'move');
-- a trigger does not matter to delete
MERGE INTO stamped t USING (VALUES (1), (2)) s (id) ON t.id = s.id WHEN MATCHED THEN DELETE;
-- a random value that a rule reads; refused
MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET size = random() * 0;
-- several columns by a sub-select that a rule reads; refused
MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET (size, title) = (SELECT f.size, 'c' FROM feed f WHERE f.id = s.id);
-- two sub-selects that a rule reads; refused
MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET size = (SELECT min(size) FROM feed), state = (SELECT 'x' FROM teams);
-- into a view
MERGE INTO docs_view d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED THEN DELETE;
-- inside with
WITH m AS (MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED THEN DELETE) SELECT 1;
-- explain; refused 42501
EXPLAIN (COSTS OFF) MERGE INTO docs d USING (VALUES (1)) s (id) ON d.id = s.id WHEN MATCHED THEN DELETE;
-- prepared by name
PREPARE m (int, text) AS MERGE INTO docs d USING (VALUES ($1)) s (id) ON d.id = s.id WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET title = $2 WHEN NOT MATCHED THEN INSERT (id, region, owner, title) VALUES ($1, 'North', 'rita', $2); EXECUTE m (1, 'p'); EXECUTE m (50, 'q'); DEALLOCATE m;
-- prepared by name, foreign
PREPARE m (int, text) AS MERGE INTO docs d USING (VALUES ($1)) s (id) ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, region, owner, title) VALUES ($1, $2, 'rita', 't'); EXECUTE m (50, 'West');
-- a star gives the checked column; refused
MERGE INTO drafts d USING (SELECT 9 AS id, 'max' AS owner) s ON d.id = s.id WHEN NOT MATCHED THEN INSERT (editor, id, owner) VALUES ('rita', s.*);
-- a star of a cast row gives the checked column; refused
MERGE INTO drafts d USING (VALUES (9)) s (id) ON d.id = s.id WHEN NOT MATCHED THEN INSERT (editor, id, owner) VALUES ('rita', ('(9,max)'::teams).*);
-- a star in a row that is set; refused
MERGE INTO drafts d USING (SELECT 'x' AS note, 'max' AS owner) s ON d.owner IS NULL WHEN MATCHED THEN UPDATE SET (note, owner) = ROW(s.*);
-- a star in a row that no rule reads
MERGE INTO docs d USING (SELECT 't' AS title, 'c' AS code) s ON d.id = 1 WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET (title, code) = ROW(s.*);
-- a row of too few values
MERGE INTO docs d USING (VALUES ('t')) s (title) ON d.id = 1 WHEN MATCHED AND d.owner = 'rita' THEN UPDATE SET (title, code) = ROW(s.title);
-- a setting that a value reads is changed on the way; refused
SET application_name = 'rita'; MERGE INTO drafts d USING (VALUES (9)) s (id) ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, editor, note, owner) VALUES (s.id, 'rita', set_config('application_name', 'max', false), current_setting('application_name'));
-- a setting that the source reads is changed on the way; refused
SET application_name = 'rita'; MERGE INTO drafts d USING (SELECT 3 AS id, current_setting('application_name') AS owner) s ON d.id = s.id WHEN MATCHED THEN UPDATE SET note = set_config('application_name', 'max', false), owner = s.owner;
-- a setting is read
SET application_name = 'rita'; MERGE INTO drafts d USING (SELECT 3 AS id, current_setting('application_name') AS owner) s ON d.id = s.id WHEN MATCHED THEN UPDATE SET note = 'x', owner = s.owner;
-- a column named as one of ours beside a sub-select
MERGE INTO drafts d USING (SELECT 9 AS id, 'max' AS pgcordon_0) s ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, owner, editor) VALUES (s.id, pgcordon_0, (SELECT 'rita' FROM teams t WHERE t.id = 1));
-- a column beside a sub-select
MERGE INTO drafts d USING (SELECT 9 AS id, 'rita' AS who) s ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, owner, editor) VALUES (s.id, who, (SELECT 'rita' FROM teams t WHERE t.id = 1));
-- a code that is padded when it is stored
MERGE INTO codes c USING (VALUES (5, 'abx')) s (id, code) ON c.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.code, 'x');
-- a code that is padded when it is stored, set
MERGE INTO codes c USING (VALUES (1, 'abx')) s (id, code) ON c.id = s.id WHEN MATCHED THEN UPDATE SET code = s.code;
-- a code that needs no padding
MERGE INTO codes c USING (VALUES (5, 'vwxyx')) s (id, code) ON c.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.code, 'x');
-- a code that is too long
MERGE INTO codes c USING (VALUES (5, 'vwxyxz')) s (id, code) ON c.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.code, 'x');
-- blanks that are cut when they are stored
MERGE INTO codes c USING (VALUES (5, 'abx   ')) s (id, short) ON c.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'abcdx', s.short);
