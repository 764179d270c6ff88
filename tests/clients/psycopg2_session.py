"""psycopg2 as applications use it: psycopg2_session.py URL REGION."""
import io
import sys
import uuid

import psycopg2
import psycopg2.errors
import psycopg2.extras
import psycopg2.pool
from psycopg2 import extensions, sql
from psycopg2.extras import DateRange, Json, NumericRange, execute_batch, execute_values

from steps import denied, step

URL, REGION = sys.argv[1:]
OPTIONS = "-c statement_timeout=20000 -c lock_timeout=5s -c idle_in_transaction_session_timeout=60000"
connection = psycopg2.connect(URL, options=OPTIONS, application_name="psycopg2_session", keepalives=1, keepalives_idle=30,
                              client_encoding="UTF8")
cursor = connection.cursor()


def ask(text, values=None):
    cursor.execute(text, values)
    return cursor.fetchall()


def change(text, values=None):
    cursor.execute(text, values)
    return cursor.rowcount


COLUMNS = ("title, level, levels, uid, tags, numbers, document, raw, price, seen, made, day, hour, span, body, days, spread, "
           "ratio, single, flag, small, spot, address, home, letter, code, many")
step("settings", lambda: ask("SELECT current_setting('statement_timeout'), current_setting('application_name')"))
step("rows", lambda: ask("SELECT id, name FROM customers ORDER BY id"))
step("types", lambda: [repr(v) if not isinstance(v, memoryview) else bytes(v)
                       for v in ask(f"SELECT {COLUMNS} FROM papers ORDER BY id LIMIT 1")[0]])
step("description", lambda: [(c.name, c.type_code, c.internal_size) for c in cursor.description if c.type_code < 16384])
step("binds", lambda: ask("SELECT id FROM papers WHERE price > %s AND region = ANY(%s) AND day >= %s AND flag IS NOT NULL ORDER BY 1",
                          (1, ["North", "South"], __import__("datetime").date(2025, 3, 1))))
step("named binds", lambda: ask("SELECT count(*) FROM papers WHERE title ILIKE %(t)s OR title = %(t)s", {"t": "%orth%"}))
step("in", lambda: ask("SELECT id FROM customers WHERE id IN %s ORDER BY id", ((1, 4, 6),)))
step("composed", lambda: ask(sql.SQL("SELECT {} FROM {}.{} ORDER BY 1").format(
    sql.Identifier("name"), sql.Identifier("public"), sql.Identifier("customers"))))
step("callproc", lambda: (cursor.callproc("lower", ("ABC",)), cursor.fetchall())[1])
step("uuid", lambda: (psycopg2.extras.register_uuid(), ask("SELECT uid FROM papers WHERE uid = %s ORDER BY id",
                                                          (uuid.UUID("00000000-0000-4000-8000-000000000001"),)))[1])
step("composite", lambda: (psycopg2.extras.register_composite("place", connection),
                           ask("SELECT home FROM papers ORDER BY id LIMIT 1"))[1])
step("hstore", lambda: psycopg2.extras.HstoreAdapter.get_oids(connection))
step("enum by array", lambda: ask("SELECT id FROM papers WHERE level = ANY(%s::level[]) ORDER BY id", (["gold", "silver"],)))
step("ranges", lambda: ask("SELECT id FROM papers WHERE days && %s AND spread @> %s ORDER BY id",
                           (DateRange("2025-01-05", "2025-01-06"), 3)))
connection.commit()

step("insert", lambda: change(
    "INSERT INTO papers (region, title, tags, document, uid, body, span, days, spread, level) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
    (REGION, "it's \\ new", ["x", "y,z"], Json({"a": [1, None]}), uuid.UUID(int=7), psycopg2.Binary(b"\x00\xfe"),
     __import__("datetime").timedelta(days=1, seconds=5), DateRange("2025-01-01", "2025-01-03"), NumericRange(1, 5), "gold")))
step("returning", lambda: ask("INSERT INTO papers (region, title) VALUES (%s, %s) RETURNING id > 0, title, level",
                              (REGION, "returned")))
step("read back", lambda: ask("SELECT title, tags, document, uid, body::text, span, days, spread, level FROM papers WHERE uid = %s",
                              (uuid.UUID(int=7),)))
step("update", lambda: change("UPDATE papers SET price = coalesce(price, 0) + 1, document = document || %s WHERE title IN ('returned')",
                              (Json({"b": 2}),)))
step("values", lambda: execute_values(
    cursor, "INSERT INTO papers (region, title, price) VALUES %s RETURNING title, price",
    [(REGION, f"many {i}", i) for i in range(1, 251)], page_size=100, fetch=True)[-2:])
step("batch", lambda: (execute_batch(cursor, "UPDATE papers SET small = %s WHERE title = %s",
                                     [(i, f"many {i}") for i in range(1, 120)], page_size=50),
                       ask("SELECT sum(small) FROM papers WHERE title LIKE 'many%'"))[1])
step("many", lambda: (cursor.executemany("INSERT INTO notes (region, paper_id, text) SELECT region, id, %s FROM papers WHERE title = %s",
                                         [("a", "many 1"), ("bb", "many 2")]),
                      ask("SELECT text, length FROM notes WHERE text IN ('a', 'bb') ORDER BY 1"))[1])
step("upsert", lambda: ask("INSERT INTO papers (region, title, price) VALUES (%s, 'many 1', 5) ON CONFLICT (region, title) "
                           "DO UPDATE SET price = excluded.price + papers.price RETURNING price", (REGION,)))
step("delete", lambda: change("DELETE FROM papers WHERE title LIKE 'many%%' AND price > %s", (100,)))
step("savepoint", lambda: (cursor.execute("SAVEPOINT a"), change("DELETE FROM notes"), cursor.execute("ROLLBACK TO SAVEPOINT a"),
                           cursor.execute("RELEASE SAVEPOINT a"))[1])
connection.rollback()


def failing():
    try:
        cursor.execute("INSERT INTO papers (region, title) VALUES ('Nowhere', 'not mine')")
        return cursor.rowcount
    finally:
        connection.rollback()


def in_failed():
    try:
        cursor.execute("SELECT 1/0")
    except psycopg2.errors.DivisionByZero:
        try:
            cursor.execute("SELECT 1")
        except psycopg2.errors.InFailedSqlTransaction as error:
            return error.pgcode, connection.info.transaction_status
        finally:
            connection.rollback()


if REGION != "East":
    step("new row outside", failing)
step("failed transaction", in_failed)


def unique():
    try:
        cursor.execute("INSERT INTO papers (region, title) SELECT region, title FROM papers LIMIT 1")
    except psycopg2.errors.UniqueViolation as error:
        return error.diag.constraint_name, error.diag.table_name
    finally:
        connection.rollback()


step("unique violation", unique)


def check_violation():
    try:
        cursor.execute("UPDATE papers SET price = -1")
    except psycopg2.errors.CheckViolation as error:
        return error.diag.constraint_name
    finally:
        connection.rollback()


step("check violation", check_violation)


def named(**options):
    with connection.cursor(name="big rows", **options) as server_side:
        server_side.itersize = 2
        server_side.execute("SELECT id, title FROM papers ORDER BY id")
        rows = [server_side.fetchone(), server_side.fetchmany(2)]
        if options.get("scrollable"):
            server_side.scroll(0, mode="absolute")
        rows += list(server_side)[:3]
    return rows


step("server-side cursor", named)
step("scrollable cursor", lambda: named(scrollable=True))


def held():
    with connection.cursor(name="held", withhold=True) as server_side:
        server_side.execute("SELECT id FROM customers ORDER BY id")
        connection.commit()
        return server_side.fetchmany(2), server_side.fetchall()


step("cursor with hold", held)
connection.commit()


def copy_out():
    target = io.StringIO()
    cursor.copy_expert("COPY (SELECT id, name FROM customers ORDER BY id) TO STDOUT WITH CSV HEADER", target)
    other = io.StringIO()
    cursor.copy_to(other, "customers", columns=("id", "name"), null="-")
    return target.getvalue(), sorted(other.getvalue().split("\n"))


step("copy out", copy_out)


def copy_in():
    cursor.copy_expert("COPY papers (region, title, price) FROM STDIN WITH (FORMAT csv)", io.StringIO(f"{REGION},one,1\n{REGION},two,2\n"))
    first = cursor.rowcount
    cursor.copy_from(io.StringIO(f"{REGION}\tthree\t3\n{REGION}\tfour\t\\N\n"), "papers", columns=("region", "title", "price"))
    rows = ask("SELECT title, price FROM papers WHERE title IN ('one', 'two', 'three', 'four') ORDER BY id")
    connection.rollback()
    return first, rows


if len(sys.argv) == 3:
    # Native row security refuses COPY FROM; pgcordon checks each row.
    try:
        print("~copy in:", copy_in())
    except psycopg2.Error as error:
        print("~copy in:", error.pgcode)
        connection.rollback()

connection.set_session(isolation_level="REPEATABLE READ", readonly=True, deferrable=None)
step("isolation", lambda: ask("SHOW transaction_isolation") + ask("SHOW transaction_read_only"))
connection.rollback()
connection.set_session(isolation_level="DEFAULT", readonly=False, autocommit=True)
step("autocommit", lambda: (ask("SELECT count(*) FROM customers"), connection.info.transaction_status))
connection.set_session(isolation_level="SERIALIZABLE", readonly=True)
step("autocommit settings", lambda: ask("SHOW default_transaction_isolation") + ask("SHOW default_transaction_read_only"))
connection.set_session(isolation_level="DEFAULT", readonly="DEFAULT", autocommit=False)
step("encoding", lambda: (connection.set_client_encoding("UNICODE"), connection.encoding, ask("SELECT 'äß€'"))[1:])
step("reset", lambda: (connection.reset(), ask("SELECT count(*) FROM regions"))[1])
connection.rollback()
step("path", lambda: (cursor.execute("SET search_path TO archive, public"), ask("SELECT note FROM orders ORDER BY id"))[1])
connection.rollback()
step("local", lambda: (cursor.execute("SET LOCAL TIME ZONE 'America/New_York'"), ask("SELECT seen::text FROM papers ORDER BY id LIMIT 1"))[1])
connection.rollback()
step("timeout", lambda: (cursor.execute("SET LOCAL statement_timeout = 100"),
                         ask("SELECT count(*) FROM generate_series(1, 100000000) g WHERE g % 7 = 3"))[1])
connection.rollback()
denied("payroll", lambda: ask("SELECT * FROM payroll"))
connection.rollback()
# PostgreSQL has them for everybody.
step("~large object", lambda: connection.lobject(0, "wb").oid > 0)
connection.rollback()
connection.close()

pool = psycopg2.pool.ThreadedConnectionPool(1, 3, URL)
taken = [pool.getconn() for _ in range(3)]
for one in taken:
    pool.putconn(one)
again = pool.getconn()
with again, again.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as rows:
    rows.execute("SELECT id, name FROM customers ORDER BY id LIMIT 1")
    print("pool:", [dict(row) for row in rows])
pool.putconn(again)
pool.closeall()
