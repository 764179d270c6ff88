//! The catalog queries. Run with an empty `search_path`; relations, functions and types are qualified all the same.
//!
//! Operators are those of `pg_catalog`, which an empty path searches alone.

/// All queries that a catalog is made of, in the order in which `of_answers` reads them.
pub(super) const ALL: [&str; 14] = [
    SERVER,
    FINGERPRINT,
    SCHEMAS,
    RAISED,
    COLUMNS,
    RELATIONS,
    FUNCTIONS,
    OPERATORS,
    TYPES,
    BARRIERS,
    WRITING,
    GROUPABLE,
    FIELD_CALLS,
    DEPENDENTS,
];

/// Version, real database name, whether the role is a superuser, the schema of the session's temporary relations.
pub(super) const SERVER: &str = "
SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
       pg_catalog.current_database()::pg_catalog.text,
       (SELECT r.rolsuper FROM pg_catalog.pg_roles r
        WHERE r.rolname = CURRENT_USER),
       (SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace n
        WHERE n.oid = pg_catalog.pg_my_temp_schema())";

/// Row versions of everything that a snapshot is read from: a change of any makes another word.
pub(super) const FINGERPRINT: &str = "
SELECT pg_catalog.md5(pg_catalog.string_agg(part, ',' ORDER BY part))
FROM (
  SELECT kind || ':' || pg_catalog.count(*)::pg_catalog.text || ':' ||
         pg_catalog.sum(pg_catalog.hashtextextended(word, 0)::pg_catalog.numeric)::pg_catalog.text
  FROM (
    SELECT 'namespace', oid::pg_catalog.text || ' ' || nspname FROM pg_catalog.pg_namespace
    UNION ALL SELECT 'class', oid::pg_catalog.text || ' ' || relname || ' ' ||
      relnamespace::pg_catalog.text || ' ' || relkind::pg_catalog.text || ' ' ||
      CASE WHEN relkind = 'v' THEN coalesce(reloptions::pg_catalog.text, '') ELSE '' END
      FROM pg_catalog.pg_class WHERE relkind NOT IN ('t')
    UNION ALL SELECT 'attribute', attrelid::pg_catalog.text || ' ' || attnum::pg_catalog.text ||
      ' ' || xmin::pg_catalog.text FROM pg_catalog.pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT 'inherits', inhrelid::pg_catalog.text || ' ' || inhparent::pg_catalog.text
      FROM pg_catalog.pg_inherits
    UNION ALL SELECT 'rewrite', oid::pg_catalog.text || ' ' || xmin::pg_catalog.text
      FROM pg_catalog.pg_rewrite WHERE oid >= 16384
    UNION ALL SELECT 'trigger', oid::pg_catalog.text || ' ' || xmin::pg_catalog.text
      FROM pg_catalog.pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'constraint', oid::pg_catalog.text || ' ' || xmin::pg_catalog.text
      FROM pg_catalog.pg_constraint WHERE oid >= 16384 AND contype = 'p'
    UNION ALL SELECT 'proc', oid::pg_catalog.text || ' ' || xmin::pg_catalog.text
      FROM pg_catalog.pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'operator', oid::pg_catalog.text || ' ' || xmin::pg_catalog.text
      FROM pg_catalog.pg_operator WHERE oid >= 16384
    UNION ALL SELECT 'type', oid::pg_catalog.text || ' ' || xmin::pg_catalog.text
      FROM pg_catalog.pg_type WHERE oid >= 16384
    UNION ALL SELECT 'depend', objid::pg_catalog.text || ' ' || refobjid::pg_catalog.text || ' ' ||
      refobjsubid::pg_catalog.text FROM pg_catalog.pg_depend
      WHERE refclassid = 1259 AND refobjid >= 16384 AND classid IN (1259, 2604)
  ) AS words (kind, word)
  GROUP BY kind
) AS parts (part)";

/// All schemas.
pub(super) const SCHEMAS: &str = "
SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace n ORDER BY n.oid";

/// Columns of everything that has rows. A type is written so that it means the same under any `search_path`; only
/// an interval with fields has to be written as the grammar's own words.
pub(super) const COLUMNS: &str = "
SELECT a.attrelid,
       a.attname::pg_catalog.text,
       a.atttypid,
       CASE
         WHEN a.atttypmod <> -1 AND tn.nspname = 'pg_catalog'
              AND t.typname IN ('interval', '_interval')
           THEN pg_catalog.format_type(a.atttypid, a.atttypmod)
         ELSE pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.typname) ||
              CASE WHEN a.atttypmod <> -1 THEN coalesce(pg_catalog.substring(
                pg_catalog.format_type(a.atttypid, a.atttypmod), '[(][^)]*[)]'), '')
              ELSE '' END
       END,
       a.attnotnull,
       a.attgenerated <> '',
       a.attidentity::pg_catalog.text,
       a.atthasdef,
       a.attnum,
       a.attcollation,
       a.atttypmod
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I')
ORDER BY a.attrelid, a.attnum";

/// Relations of every schema. Definitions of the system's own views are left out: they are never opened up.
/// `tgtype`: 1 row, 2 before, 4 insert, 16 update, 64 instead of; `ev_type`: 1 is SELECT.
pub(super) const RELATIONS: &str = "
SELECT c.oid,
       n.nspname::pg_catalog.text,
       c.relname::pg_catalog.text,
       c.relkind::pg_catalog.text,
       ARRAY(SELECT i.inhparent FROM pg_catalog.pg_inherits i
             WHERE i.inhrelid = c.oid ORDER BY i.inhseqno),
       coalesce((SELECT k.conkey FROM pg_catalog.pg_constraint k
                 WHERE k.conrelid = c.oid AND k.contype = 'p'), '{}'),
       CASE WHEN c.relkind = 'v' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
         THEN pg_catalog.pg_get_viewdef(c.oid) END,
       EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t
               WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
                 AND t.tgtype & 1 = 1 AND t.tgtype & 66 <> 0 AND t.tgtype & 20 <> 0)
       OR EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite r
                  WHERE r.ev_class = c.oid AND r.ev_type <> '1' AND r.ev_enabled <> 'D')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY c.oid";

/// Functions outside the system's schemas.
pub(super) const FUNCTIONS: &str = "
SELECT n.nspname::pg_catalog.text, p.proname::pg_catalog.text, p.prokind::pg_catalog.text,
       p.proargtypes::pg_catalog.oid[], p.prorettype, p.proretset, p.oid
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY p.oid";

/// Operators outside `pg_catalog`.
pub(super) const OPERATORS: &str = "
SELECT n.nspname::pg_catalog.text, o.oprname::pg_catalog.text, o.oprleft, o.oprright
FROM pg_catalog.pg_operator o
JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
WHERE n.nspname <> 'pg_catalog'
ORDER BY o.oid";

/// Types outside `pg_catalog`; array types follow their element.
pub(super) const TYPES: &str = "
SELECT t.oid, t.typarray, n.nspname::pg_catalog.text, t.typname::pg_catalog.text,
       t.typtype::pg_catalog.text, t.typrelid
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname <> 'pg_catalog'
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
ORDER BY t.oid";

/// What `(x).name` could mean in `pg_catalog` besides a field: a function that one argument is enough for, a type.
pub(super) const FIELD_CALLS: &str = "
SELECT p.proname::pg_catalog.text FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'pg_catalog' AND (p.pronargs - p.pronargdefaults <= 1 OR p.provariadic <> 0)
UNION
SELECT t.typname::pg_catalog.text FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = 'pg_catalog'";

/// Views WITH (security_barrier), however it is spelled; `= false` is rare, and a fence too many harms nobody.
pub(super) const BARRIERS: &str = "
SELECT c.oid FROM pg_catalog.pg_class c
WHERE c.relkind = 'v' AND EXISTS (
  SELECT 1 FROM pg_catalog.unnest(c.reloptions) AS o (option) WHERE o.option LIKE 'security_barrier=%')";

/// What writes to views, and to relations with rules, meet. `tgtype`: 64 instead of; `ev_type`: 1 is SELECT.
pub(super) const WRITING: &str = "
SELECT c.oid,
       ARRAY(SELECT DISTINCT r.ev_type::pg_catalog.text FROM pg_catalog.pg_rewrite r
             WHERE r.ev_class = c.oid AND r.ev_type <> '1' AND r.ev_enabled <> 'D'),
       EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgtype & 64 <> 0),
       CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_relation_is_updatable(c.oid, false) ELSE 0 END,
       coalesce((SELECT pg_catalog.split_part(o.option, '=', 2)
                 FROM pg_catalog.unnest(c.reloptions) AS o (option)
                 WHERE c.relkind = 'v' AND o.option LIKE 'check_option=%'), '')
FROM pg_catalog.pg_class c
WHERE c.oid >= 16384 AND (c.relkind = 'v' OR (c.relkind <> 'm' AND c.relhasrules))";

/// Types that GROUP BY takes beside any others: those with a default operator class for sorting, and arrays and domains of
/// them. One that can only be hashed (`aclitem`) and one that can only be sorted cannot be grouped together. Composite types are left out: each of their columns would have to be one.
pub(super) const GROUPABLE: &str = "
WITH RECURSIVE known (oid) AS (
  SELECT t.oid FROM pg_catalog.pg_type t
  WHERE t.typtype IN ('e', 'r', 'm') OR t.typname IN ('varchar', 'cidr') OR EXISTS (
    SELECT 1 FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am a ON a.oid = o.opcmethod
    WHERE o.opcintype = t.oid AND o.opcdefault AND a.amname = 'btree' AND t.typtype = 'b')
  UNION
  SELECT t.oid FROM known k JOIN pg_catalog.pg_type t
    ON (t.typtype = 'd' AND t.typbasetype = k.oid) OR (t.typcategory = 'A' AND t.typelem = k.oid)
)
SELECT k.oid FROM known k";

/// Words of the messages that PL/pgSQL functions raise: of the string behind RAISE and its level, and of MESSAGE or
/// HINT and its string.
pub(super) const RAISED: &str = r"
SELECT DISTINCT pg_catalog.lower(w.word[1])
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_language l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
CROSS JOIN LATERAL pg_catalog.regexp_matches(p.prosrc,
  '(?:raise\s+(?:[a-z]+\s+)?|(?:message|hint)\s*:?=\s*)''((?:[^'']|'''')*)''', 'gi') AS m (parts)
CROSS JOIN LATERAL pg_catalog.regexp_matches(m.parts[1], '[[:alnum:]_]+', 'g') AS w (word)
WHERE p.oid >= 16384";

/// Indexes with the columns that they mention, in keys, expressions and predicates; sequences with the column that
/// owns them or whose default draws from them.
pub(super) const DEPENDENTS: &str = "
SELECT i.indexrelid, false, i.indrelid,
       ARRAY(SELECT k FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) AS k WHERE k <> 0
             UNION SELECT d.refobjsubid::pg_catalog.int2 FROM pg_catalog.pg_depend d
             WHERE d.classid = 1259 AND d.objid = i.indexrelid AND d.refclassid = 1259
               AND d.refobjid = i.indrelid AND d.refobjsubid <> 0)
FROM pg_catalog.pg_index i
WHERE i.indexrelid >= 16384
UNION ALL
SELECT s.oid, true, d.refobjid, ARRAY[d.refobjsubid::pg_catalog.int2]
FROM pg_catalog.pg_class s
JOIN pg_catalog.pg_depend d ON d.classid = 1259 AND d.objid = s.oid AND d.refclassid = 1259
WHERE s.relkind = 'S' AND d.refobjsubid > 0
UNION ALL
SELECT s.oid, true, a.adrelid, ARRAY[a.adnum]
FROM pg_catalog.pg_class s
JOIN pg_catalog.pg_depend d ON d.refclassid = 1259 AND d.refobjid = s.oid AND d.classid = 2604
JOIN pg_catalog.pg_attrdef a ON a.oid = d.objid
WHERE s.relkind = 'S'";
