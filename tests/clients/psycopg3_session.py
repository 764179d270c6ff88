"""psycopg 3 as applications use it: psycopg3_session.py URL REGION."""
import asyncio
import datetime
import decimal
import sys
import uuid

import psycopg
from psycopg.rows import dict_row, namedtuple_row
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo
from psycopg.types.json import Jsonb
from psycopg.types.multirange import MultirangeInfo
from psycopg.types.range import Range, RangeInfo
from psycopg_pool import ConnectionPool

from steps import denied, step, step_async

URL, REGION = sys.argv[1:]
connection = psycopg.connect(URL, options="-c statement_timeout=20s -c TimeZone=UTC", application_name="psycopg3_session")
COLUMNS = ("title, level, levels, uid, tags, numbers, document, raw, price, seen, made, day, hour, span, body, days, spread, "
           "ratio, single, flag, small, spot, address, home, letter, code, many")


def ask(text, values=None, **options):
    return connection.execute(text, values, **options).fetchall()


step("rows", lambda: ask("SELECT id, name FROM customers ORDER BY id"))
step("types", lambda: ask(f"SELECT {COLUMNS} FROM papers ORDER BY id LIMIT 1"))
# An array of an enum is not known to the driver, and has the type's number in it.
BINARY = COLUMNS.replace("levels, ", "")
step("types binary", lambda: connection.cursor(binary=True).execute(f"SELECT {BINARY} FROM papers ORDER BY id LIMIT 1").fetchall())
step("enum info", lambda: EnumInfo.fetch(connection, "level").labels)
step("composite info", lambda: CompositeInfo.fetch(connection, "place").field_names)
step("range info", lambda: RangeInfo.fetch(connection, "daterange").subtype_oid)
step("multirange info", lambda: MultirangeInfo.fetch(connection, "int4multirange").range_oid)
step("domain info", lambda: TypeInfo.fetch(connection, "short_text").name)
step("hstore info", lambda: TypeInfo.fetch(connection, "hstore"))


def composite():
    register_composite(CompositeInfo.fetch(connection, "place"), connection)
    return ask("SELECT home FROM papers ORDER BY id LIMIT 1", binary=True), ask("SELECT (home).street FROM papers ORDER BY id LIMIT 1")


step("composite", composite)
for number in range(7):
    # The sixth run is prepared.
    step(f"prepared {number}", lambda: ask("SELECT id FROM papers WHERE region = %s AND price > %s ORDER BY id", (REGION, number)))
connection.rollback()
VALUES = {"region": REGION, "title": "bound", "level": "gold", "levels": ["gold", "silver"], "uid": uuid.UUID(int=9), "tags": ["a", None, "b,c"],
          "numbers": [1, 2], "document": Jsonb({"k": [1, None, "ä"]}), "price": decimal.Decimal("12.3400"),
          "seen": datetime.datetime(2025, 1, 2, 3, 4, 5, 6, datetime.timezone.utc), "made": datetime.datetime(2025, 1, 2),
          "day": datetime.date(2025, 1, 2), "hour": datetime.time(1, 2, 3), "span": datetime.timedelta(days=2, hours=3), "body": b"\x00\x01\xff",
          "days": Range(datetime.date(2025, 1, 1), None), "ratio": 1.5, "flag": True, "small": 7}
NAMES = ", ".join(VALUES)


def bound(style):
    marks = ", ".join(f"%({name}){style}" for name in VALUES)
    rows = ask(f"INSERT INTO papers ({NAMES}) VALUES ({marks}) RETURNING {NAMES}", VALUES)
    connection.rollback()
    return rows


step("every type, automatic", lambda: bound("s"))
step("every type, text", lambda: bound("t"))


def many():
    cursor = connection.cursor()
    cursor.executemany("INSERT INTO papers (region, title, price) VALUES (%s, %s, %s) RETURNING title",
                       [(REGION, f"m{i}", i) for i in range(1, 30)], returning=True)
    titles = []
    while True:
        titles.append(cursor.fetchone()[0])
        if not cursor.nextset():
            break
    connection.rollback()
    return len(titles), titles[-1]


step("executemany", many)


def pipeline():
    with connection.pipeline():
        first = connection.execute("SELECT count(*) FROM customers")
        connection.execute("INSERT INTO papers (region, title) VALUES (%s, 'piped')", (REGION,))
        second = connection.execute("SELECT title FROM papers WHERE title = 'piped'")
        rows = first.fetchall(), second.fetchall()
    connection.rollback()
    return rows


step("pipeline", pipeline)


def broken_pipeline():
    states = []
    try:
        with connection.pipeline() as pipe:
            good = connection.execute("SELECT 1")
            connection.execute("SELECT 1/0")
            after = connection.execute("SELECT 2")
            pipe.sync()
    except psycopg.Error as error:
        states.append(error.sqlstate)
    connection.rollback()
    return states, ask("SELECT 3")


step("pipeline with an error", broken_pipeline)
connection.rollback()


def nested():
    with connection.transaction():
        connection.execute("INSERT INTO papers (region, title) VALUES (%s, 'outer')", (REGION,))
        try:
            with connection.transaction():
                connection.execute("INSERT INTO papers (region, title) VALUES (%s, 'inner')", (REGION,))
                connection.execute("SELECT 1/0")
        except psycopg.errors.DivisionByZero:
            pass
        rows = ask("SELECT title FROM papers WHERE title IN ('outer', 'inner')")
        raise psycopg.Rollback() if False else Done(rows)


class Done(Exception):
    pass


def nested_rows():
    try:
        nested()
    except Done as done:
        return done.args[0]


step("nested transactions", nested_rows)


def server_side(**options):
    with connection.cursor(name="s", **options) as cursor:
        cursor.itersize = 2
        cursor.execute("SELECT id, title FROM papers WHERE price > %s ORDER BY id", (0,))
        rows = [cursor.fetchone()] + cursor.fetchmany(2)
        if options.get("scrollable"):
            cursor.scroll(-2)
        return rows + cursor.fetchall()[:2]


step("server cursor", server_side)
step("scrollable", lambda: server_side(scrollable=True))
step("stream", lambda: [row for row in connection.cursor().stream("SELECT id FROM customers WHERE id > %s ORDER BY id", (0,))])
step("dictionaries", lambda: connection.cursor(row_factory=dict_row).execute("SELECT id, name FROM customers ORDER BY id LIMIT 1").fetchall())
step("named tuples", lambda: connection.cursor(row_factory=namedtuple_row).execute("SELECT * FROM regions ORDER BY name").fetchall())
step("several statements", lambda: connection.cursor().execute("SELECT 1; SELECT count(*) FROM customers").nextset())
connection.rollback()


def copy_out(kind):
    with connection.cursor().copy(f"COPY (SELECT id, name FROM customers ORDER BY id) TO STDOUT (FORMAT {kind})") as copy:
        if kind == "binary":
            copy.set_types(["int4", "text"])
        return list(copy.rows())


step("copy out", lambda: copy_out("text"))
step("copy out, binary", lambda: copy_out("binary"))


def copy_in():
    cursor = connection.cursor()
    with cursor.copy("COPY papers (region, title, price) FROM STDIN") as copy:
        for number in range(1, 100):
            copy.write_row((REGION, f"c{number}", number))
    rows = ask("SELECT count(*), sum(price) FROM papers WHERE title ~ '^c[0-9]+$'")
    connection.rollback()
    return rows


try:
    print("~copy in:", copy_in())
except psycopg.Error as error:
    print("~copy in:", error.sqlstate)
    connection.rollback()

connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
connection.read_only = True
connection.deferrable = True
step("isolation", lambda: ask("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('transaction_deferrable')"))
connection.rollback()
connection.isolation_level = connection.read_only = connection.deferrable = None
connection.autocommit = True
step("autocommit", lambda: (ask("SELECT 1"), connection.info.transaction_status.name))
step("server facts", lambda: (connection.info.server_version // 10000, connection.info.encoding, str(connection.info.timezone),
                             connection.info.parameter_status("standard_conforming_strings")))


def cancelled():
    import threading
    threading.Timer(0.3, connection.cancel_safe).start()
    return ask("SELECT count(*) FROM generate_series(1, 1000000000) g WHERE g % 7 = 3")


step("cancel", cancelled)
connection.rollback()
denied("payroll", lambda: ask("SELECT * FROM payroll"))
denied("payroll, prepared", lambda: ask("SELECT * FROM payroll WHERE id = %s", (1,), prepare=True))
connection.close()

with ConnectionPool(URL, min_size=2, max_size=4, check=ConnectionPool.check_connection, kwargs={"autocommit": False}) as pool:
    for number in range(5):
        with pool.connection() as one:
            step(f"pool {number}", lambda: one.execute("SELECT count(*) FROM customers WHERE id > %s", (number,)).fetchone())


async def asynchronous():
    async with await psycopg.AsyncConnection.connect(URL) as one:
        async def rows():
            return await (await one.execute("SELECT id FROM customers ORDER BY id")).fetchall()
        await step_async("asynchronous", rows)


asyncio.run(asynchronous())
