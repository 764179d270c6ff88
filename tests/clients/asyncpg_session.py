"""asyncpg as applications use it: asyncpg_session.py URL REGION."""
import asyncio
import datetime
import decimal
import io
import json
import sys
import uuid

import asyncpg

from steps import denied_async, step_async as step

URL, REGION = sys.argv[1:]
URL = URL.split("?")[0]
COLUMNS = ("title, level, levels, uid, tags, numbers, document, raw, price, seen, made, day, hour, span, body, days, spread, "
           "ratio, single, flag, small, spot, address, home, letter, code, many")


def plain(record):
    return {key: str(value) if isinstance(value, (asyncpg.Record, asyncpg.Point)) else value for key, value in record.items()}


async def types(connection):
    async def every():
        return plain(await connection.fetchrow(f"SELECT {COLUMNS} FROM papers ORDER BY id"))
    await step("types", every)

    async def bound():
        values = {"region": REGION, "title": "bound", "level": "gold", "levels": ["gold", "silver"], "uid": uuid.UUID(int=9),
                  "tags": ["a", None], "numbers": [1, 2], "document": '{"k": 1}', "price": decimal.Decimal("12.34"),
                  "seen": datetime.datetime(2025, 1, 2, 3, tzinfo=datetime.timezone.utc), "made": datetime.datetime(2025, 1, 2),
                  "day": datetime.date(2025, 1, 2), "hour": datetime.time(1, 2), "span": datetime.timedelta(days=2),
                  "body": b"\x00\xff", "days": asyncpg.Range(datetime.date(2025, 1, 1), None), "flag": True, "small": 3,
                  "home": ("Side Street", 5), "spread": asyncpg.Range(1, 9), "address": "10.1.2.3", "spot": asyncpg.Point(1, 2)}
        marks = ", ".join(f"${i + 1}" for i in range(len(values)))
        async with connection.transaction() as _:
            row = await connection.fetchrow(
                f"INSERT INTO papers ({', '.join(values)}) VALUES ({marks}) RETURNING {', '.join(values)}", *values.values())
            await connection.execute("DELETE FROM papers WHERE title = 'bound'")
        return plain(row)
    await step("every type bound", bound)

    async def codecs():
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        row = await connection.fetchrow("SELECT document FROM papers WHERE document @> $1 ORDER BY id", {"g": 1})
        await connection.reset_type_codec("jsonb", schema="pg_catalog")
        return row["document"]
    await step("jsonb codec", codecs)

    async def enum_codec():
        await connection.set_type_codec("level", schema="public", encoder=str, decoder=str.upper)
        return await connection.fetchval("SELECT level FROM papers ORDER BY id")
    await step("enum codec", enum_codec)

    async def builtin():
        await connection.set_builtin_type_codec("hstore", codec_name="pg_contrib.hstore")
    await step("hstore codec", builtin)
    await step("array bind", lambda: connection.fetch("SELECT id FROM customers WHERE id = ANY($1::int[]) ORDER BY id", [1, 4, 6]))
    await step("enum bind", lambda: connection.fetch("SELECT id FROM customers WHERE level = ANY($1::level[]) ORDER BY id", ["gold"]))
    await step("composite bind", lambda: connection.fetchval("SELECT ($1::place).street", ("A", 1)))
    await step("unnest", lambda: connection.fetch("SELECT * FROM unnest($1::int[], $2::text[]) u (a, b)", [1, 2], ["x", "y"]))


async def statements(connection):
    async def prepared():
        statement = await connection.prepare("SELECT id, name FROM customers WHERE id > $1 ORDER BY id")
        return ([a.name for a in statement.get_attributes()], [p.name for p in statement.get_parameters()],
                await statement.fetch(0), await statement.fetchval(2, column=1), statement.get_statusmsg())
    await step("prepared", prepared)

    async def cursors():
        async with connection.transaction():
            cursor = await connection.cursor("SELECT id FROM papers ORDER BY id")
            rows = [await cursor.fetchrow(), await cursor.fetch(2), await cursor.forward(1)]
            async for record in connection.cursor("SELECT id FROM customers WHERE id > $1 ORDER BY id", 0, prefetch=2):
                rows.append(record["id"])
            return rows
    await step("cursors", cursors)
    await step("several statements", lambda: connection.execute("SELECT 1; SELECT count(*) FROM customers; SELECT 2"))

    async def many():
        async with connection.transaction():
            await connection.executemany("INSERT INTO papers (region, title, price) VALUES ($1, $2, $3)",
                                         [(REGION, f"m{i}", i) for i in range(1, 40)])
            rows = await connection.fetch("INSERT INTO papers (region, title) SELECT r, t FROM unnest($1::text[], $2::text[]) u (r, t) "
                                          "RETURNING title", [REGION] * 3, ["u1", "u2", "u3"])
            count = await connection.fetchval("SELECT count(*) FROM papers WHERE title ~ '^m'")
            status = await connection.execute("DELETE FROM papers WHERE title ~ '^[mu][0-9]'")
        return count, rows, status
    await step("executemany", many)

    async def fetchmany():
        async with connection.transaction():
            rows = await connection.fetchmany("INSERT INTO papers (region, title) VALUES ($1, $2) RETURNING title",
                                              [(REGION, "f1"), (REGION, "f2")])
            await connection.execute("DELETE FROM papers WHERE title ~ '^f[0-9]'")
        return rows
    await step("fetchmany", fetchmany)

    async def nested():
        async with connection.transaction(isolation="serializable"):
            try:
                async with connection.transaction():
                    await connection.execute("DELETE FROM notes")
                    await connection.execute("SELECT 1/0")
            except asyncpg.DivisionByZeroError:
                pass
            return await connection.fetchval("SELECT count(*) FROM notes")
    await step("savepoint", nested)

    async def read_only():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await connection.fetchval("SHOW transaction_read_only")
    await step("read only", read_only)

    async def outside():
        return await connection.execute("INSERT INTO papers (region, title) VALUES ('Nowhere', $1)", "x")
    if REGION != "East":
        await step("new row outside", outside)

    async def copies():
        target = io.BytesIO()
        status = await connection.copy_from_query("SELECT id, name FROM customers WHERE id > $1 ORDER BY id", 0, output=target, format="csv")
        other = io.BytesIO()
        await connection.copy_from_table("customers", columns=["id"], output=other)
        return status, target.getvalue(), sorted(other.getvalue().split())
    await step("copy out", copies)
    try:
        async with connection.transaction():
            status = await connection.copy_records_to_table("papers", records=[(REGION, "c1", decimal.Decimal(1)), (REGION, "c2", None)],
                                                            columns=["region", "title", "price"])
            print("~copy in:", status, await connection.execute("DELETE FROM papers WHERE title ~ '^c[0-9]'"))
    except asyncpg.PostgresError as error:
        print("~copy in:", error.sqlstate)
    await step("timeout", lambda: connection.fetchval("SELECT count(*) FROM generate_series(1, 1000000000) g WHERE g % 7 = 3", timeout=0.2))
    await step("after the timeout", lambda: connection.fetchval("SELECT 1"))
    await denied_async("payroll", lambda: connection.fetch("SELECT * FROM payroll"))
    try:
        await connection.add_listener("news", lambda *_: None)
        print("~listen: works")
    except asyncpg.PostgresError as error:
        print("~listen:", error.sqlstate)


async def main():
    connection = await asyncpg.connect(URL, server_settings={"application_name": "asyncpg_session", "statement_timeout": "20000", "jit": "off",
                                                             "timezone": "UTC"})
    await step("rows", lambda: connection.fetch("SELECT id, name FROM customers ORDER BY id"))
    await types(connection)
    await statements(connection)

    async def reset():
        await connection.reset()
        return await connection.fetchval("SELECT count(*) FROM customers")
    await step("reset", reset)
    await connection.reload_schema_state()
    await connection.close()
    async with asyncpg.create_pool(URL, min_size=2, max_size=3, command_timeout=20) as pool:
        async def one(number):
            async with pool.acquire() as taken:
                return await taken.fetch("SELECT id, level, tags FROM customers WHERE id > $1 ORDER BY id", number)
        for answer in await asyncio.gather(*(one(number) for number in range(8))):
            print("pool:", answer)
    # As behind PgBouncer: no statement cache.
    connection = await asyncpg.connect(URL, statement_cache_size=0)
    for number in range(3):
        await step(f"no cache {number}", lambda: connection.fetch("SELECT id, level FROM customers WHERE id > $1 ORDER BY id", number))
    await connection.close()


asyncio.run(main())
