"""SQLAlchemy's ORM, Core and reflection: sqlalchemy_orm.py URL REGION psycopg2|psycopg|asyncpg|pg8000."""
import asyncio
import datetime
import decimal
import enum
import sys
import uuid

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql as pg

from steps import denied, step

URL, REGION, DRIVER = sys.argv[1:]
URL = URL.split("?")[0].replace("postgresql://", f"postgresql+{DRIVER}://")


class Level(enum.Enum):
    bronze = "bronze"
    silver = "silver"
    gold = "gold"


class Base(orm.DeclarativeBase):
    pass


class Paper(Base):
    __tablename__ = "papers"
    id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, primary_key=True)
    region: orm.Mapped[str]
    title: orm.Mapped[str]
    level: orm.Mapped[Level] = orm.mapped_column(pg.ENUM(Level, name="level", create_type=False), default=Level.bronze)
    uid: orm.Mapped[uuid.UUID | None] = orm.mapped_column(pg.UUID(as_uuid=True))
    tags: orm.Mapped[list | None] = orm.mapped_column(pg.ARRAY(sa.Text))
    document: orm.Mapped[dict | None] = orm.mapped_column(pg.JSONB)
    price: orm.Mapped[decimal.Decimal | None] = orm.mapped_column(sa.Numeric(14, 4))
    seen: orm.Mapped[datetime.datetime | None] = orm.mapped_column(sa.DateTime(timezone=True))
    day: orm.Mapped[datetime.date | None]
    span: orm.Mapped[datetime.timedelta | None] = orm.mapped_column(pg.INTERVAL)
    body: orm.Mapped[bytes | None] = orm.mapped_column(sa.LargeBinary)
    flag: orm.Mapped[bool | None]
    days: orm.Mapped[object | None] = orm.mapped_column(pg.DATERANGE)
    notes: orm.Mapped[list["Note"]] = orm.relationship(back_populates="paper", cascade="all, delete-orphan")


class Note(Base):
    __tablename__ = "notes"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    region: orm.Mapped[str]
    paper_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("papers.id"))
    text: orm.Mapped[str]
    length: orm.Mapped[int | None] = orm.mapped_column(sa.Computed("length(text)"))
    paper: orm.Mapped[Paper] = orm.relationship(back_populates="notes")


def new_paper(title, **more):
    return Paper(region=REGION, title=title, **more)


def orm_steps(session: orm.Session) -> None:
    step("orm rows", lambda: [(p.title, p.level, p.uid, p.tags, p.document, p.price, p.seen, p.day, p.span, p.body, p.flag)
                              for p in session.scalars(sa.select(Paper).order_by(Paper.id).limit(2))])
    step("joined", lambda: [(p.title, [(n.text, n.length) for n in p.notes])
                            for p in session.scalars(sa.select(Paper).options(orm.joinedload(Paper.notes)).order_by(Paper.id)).unique()])
    step("selectin", lambda: [(p.title, len(p.notes)) for p in session.scalars(
        sa.select(Paper).options(orm.selectinload(Paper.notes)).order_by(Paper.id).execution_options(populate_existing=True))])
    step("get", lambda: session.get(Paper, 1, populate_existing=True) is not None)
    step("exists", lambda: session.scalar(sa.select(sa.exists(sa.select(Paper.id).where(Paper.notes.any(Note.length > 3))))))
    step("group", lambda: session.execute(sa.select(Paper.level, sa.func.count(), sa.func.sum(Paper.price)).group_by(Paper.level)
                                          .having(sa.func.count() > 0).order_by(Paper.level)).all())
    step("window", lambda: session.execute(sa.select(Paper.title, sa.func.row_number().over(
        partition_by=Paper.region, order_by=Paper.price.desc())).order_by(Paper.id)).all())
    step("operators", lambda: session.scalars(sa.select(Paper.id).where(
        Paper.tags.contains(["a"]), Paper.document["g"].as_integer() > 1, Paper.document.has_key("g"), Paper.title.ilike("%o%"),
        Paper.level.in_([Level.gold, Level.silver]), Paper.days.op("@>")(sa.cast("2025-01-05", sa.Date))).order_by(Paper.id)).all())
    step("cte", lambda: session.execute(sa.select(sa.func.count()).select_from(
        sa.select(Note).where(Note.length > 1).cte("long_notes"))).all())

    def write():
        paper = new_paper("sa one", level=Level.gold, uid=uuid.UUID(int=4), tags=["x", "y"], document={"a": [1]}, body=b"\x00\xff",
                          price=decimal.Decimal("1.5"), span=datetime.timedelta(hours=5), flag=True, day=datetime.date(2025, 1, 1),
                          notes=[Note(region=REGION, text="first"), Note(region=REGION, text="second")])
        session.add(paper)
        session.add_all([new_paper(f"sa {i}", price=i) for i in range(2, 60)])
        session.flush()
        paper.title, paper.document = "sa renamed", {"b": 2}
        paper.notes.pop()
        session.flush()
        session.refresh(paper)
        found = (paper.id > 0, paper.title, paper.level, paper.tags, paper.document, paper.body, paper.span, [(n.text, n.length) for n in paper.notes],
                 session.scalar(sa.select(sa.func.count()).where(Paper.title.like("sa%"))))
        session.delete(paper)
        session.flush()
        gone = session.execute(sa.update(Paper).where(Paper.title.like("sa%")).values(price=Paper.price + 1).returning(Paper.price)).all()
        rows = session.execute(sa.delete(Paper).where(Paper.title.like("sa%"))).rowcount
        return found, sorted(gone)[:2], rows
    step("unit of work", write)
    session.rollback()

    def bulk():
        rows = session.scalars(sa.insert(Paper).returning(Paper.title), [{"region": REGION, "title": f"b{i}"} for i in range(300)]).all()
        upsert = pg.insert(Paper).values(region=REGION, title="b1", price=3)
        upsert = upsert.on_conflict_do_update(index_elements=["region", "title"], set_={"price": upsert.excluded.price}).returning(Paper.price)
        return len(rows), session.execute(upsert).all(), session.execute(
            pg.insert(Paper).values(region=REGION, title="b2").on_conflict_do_nothing()).rowcount
    step("bulk", bulk)
    session.rollback()

    def nested():
        session.add(new_paper("outer"))
        session.flush()
        try:
            with session.begin_nested():
                session.add(new_paper("outer"))
                session.flush()
        except sa.exc.IntegrityError as error:
            return type(error.orig).__name__, session.scalar(sa.select(sa.func.count()).where(Paper.title == "outer"))
    step("savepoint", nested)
    session.rollback()
    step("for update", lambda: session.scalars(sa.select(Paper.id).where(Paper.region == REGION).order_by(Paper.id).with_for_update(
        skip_locked=True).limit(2)).all())
    step("for update of", lambda: session.execute(sa.select(Paper.id, Note.text).join(Note).order_by(Note.id).with_for_update(of=Note).limit(2)).all())
    session.rollback()
    step("stream", lambda: [row.id for row in session.execute(sa.select(Paper.id).order_by(Paper.id), execution_options={"yield_per": 2})])

    def outside():
        session.add(Paper(region="Nowhere", title="x"))
        session.flush()
    if REGION != "East":
        step("new row outside", outside)
    session.rollback()


def reflection(connection: sa.Connection) -> None:
    inspector = sa.inspect(connection)

    def columns(table):
        return [(c["name"], str(c["type"]), c["nullable"], c["default"], c.get("computed"), c.get("identity"), c["comment"])
                for c in inspector.get_columns(table)]
    step("~tables", lambda: sorted(inspector.get_table_names()))
    step("~views", lambda: sorted(inspector.get_view_names()))
    step("~materialized", lambda: inspector.get_materialized_view_names())
    step("~schemas", lambda: sorted(inspector.get_schema_names()))
    step("~enums", lambda: inspector.get_enums())
    step("~domains", lambda: inspector.get_domains())
    step("~sequences", lambda: sorted(inspector.get_sequence_names()))
    for table in ("papers", "notes", "titles"):
        step(f"columns of {table}", lambda: columns(table))
        step(f"key of {table}", lambda: inspector.get_pk_constraint(table))
        step(f"references of {table}", lambda: inspector.get_foreign_keys(table))
        step(f"indexes of {table}", lambda: sorted(inspector.get_indexes(table), key=lambda i: i["name"]))
        step(f"unique of {table}", lambda: inspector.get_unique_constraints(table))
        step(f"checks of {table}", lambda: inspector.get_check_constraints(table))
        step(f"comment of {table}", lambda: inspector.get_table_comment(table))
        if table != "titles":
            step(f"options of {table}", lambda: inspector.get_table_options(table))
        step(f"has {table}", lambda: inspector.has_table(table))
    step("view", lambda: inspector.get_view_definition("titles"))
    step("~payroll", lambda: inspector.has_table("payroll"))

    def reflect():
        metadata = sa.MetaData()
        metadata.reflect(connection, views=True, only=["papers", "notes", "customers", "orders", "titles"])
        return [(t.name, [c.name for c in t.columns], sorted(str(f.target_fullname) for f in t.foreign_keys)) for t in metadata.sorted_tables]
    step("metadata", reflect)
    step("~everything", lambda: (lambda m: (m.reflect(connection, views=True), sorted(m.tables))[1])(sa.MetaData()))
    step("autoload in schema", lambda: [c.name for c in sa.Table("orders", sa.MetaData(), schema="archive", autoload_with=connection).columns])


def core(engine: sa.Engine) -> None:
    def isolation(level, **options):
        with engine.connect().execution_options(isolation_level=level, **options) as connection:
            return (connection.get_isolation_level(), connection.scalar(sa.text("SHOW transaction_isolation")),
                    connection.scalar(sa.text("SHOW transaction_read_only")))
    step("serializable", lambda: isolation("SERIALIZABLE"))
    step("repeatable read", lambda: isolation("REPEATABLE READ", postgresql_readonly=True, postgresql_deferrable=True))
    step("autocommit", lambda: isolation("AUTOCOMMIT"))
    with engine.connect() as connection:
        step("isolation", lambda: (connection.default_isolation_level, connection.dialect.server_version_info[0]))
        step("schema", lambda: connection.dialect.default_schema_name)
        step("text", lambda: connection.execute(sa.text("SELECT id, name FROM customers WHERE id > :id AND name LIKE 'N%' ORDER BY id"),
                                                {"id": 1}).mappings().all())
        denied("payroll", lambda: connection.execute(sa.text("SELECT * FROM payroll")))
        connection.rollback()
        step("server side", lambda: connection.execution_options(stream_results=True, max_row_buffer=2).execute(
            sa.text("SELECT id FROM papers ORDER BY id")).all())
        connection.rollback()
        reflection(connection)
    with engine.connect().execution_options(schema_translate_map={None: "archive"}) as connection:
        table = sa.table("orders", sa.column("id"), sa.column("note"))
        step("translated", lambda: connection.execute(sa.select(table.c.note)).all())


def synchronous() -> None:
    options = {"options": "-c statement_timeout=20000 -c TimeZone=UTC"} if DRIVER != "pg8000" else {}
    engine = sa.create_engine(URL, pool_pre_ping=True, pool_size=2, connect_args=options)
    with orm.Session(engine) as session:
        orm_steps(session)
    core(engine)
    engine.dispose()


async def asynchronous() -> None:
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
    engine = create_async_engine(URL, pool_pre_ping=True, connect_args={"server_settings": {"TimeZone": "UTC", "statement_timeout": "20000"}})
    async with AsyncSession(engine) as session:
        await session.run_sync(orm_steps)
    async with engine.connect() as connection:
        await connection.run_sync(reflection)

        async def stream():
            result = await connection.stream(sa.text("SELECT id FROM papers ORDER BY id"))
            return [row.id async for row in result]
        print("stream:", await stream())
    await engine.dispose()


if DRIVER == "asyncpg":
    asyncio.run(asynchronous())
else:
    synchronous()
