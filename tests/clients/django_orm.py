"""Django's ORM, introspection and inspectdb: django_orm.py URL REGION."""
import datetime
import decimal
import io
import sys
import uuid
from urllib.parse import urlparse

import django
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, models, transaction

from steps import denied, step

URL, REGION, *MORE = sys.argv[1:]
WHERE = urlparse(URL)
DATABASE = {"ENGINE": "django.db.backends.postgresql", "NAME": WHERE.path[1:], "USER": WHERE.username, "PASSWORD": WHERE.password,
            "HOST": WHERE.hostname, "PORT": WHERE.port, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {"options": "-c statement_timeout=20000", "application_name": "django_orm", **({"pool": True} if "pool" in MORE else {}),
                        **({"server_side_binding": True} if "binding" in MORE else {})}}
settings.configure(INSTALLED_APPS=["django.contrib.postgres"], USE_TZ=True, TIME_ZONE="Europe/Berlin", DATABASES={"default": DATABASE},
                   DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
django.setup()

from django.contrib.postgres.aggregates import ArrayAgg, StringAgg  # noqa: E402
from django.contrib.postgres.fields import ArrayField, DateRangeField  # noqa: E402
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector  # noqa: E402
from django.db.models import Avg, Case, Count, Exists, F, OuterRef, Prefetch, Q, Subquery, Sum, Value, When, Window  # noqa: E402
from django.db.models.functions import Coalesce, Concat, ExtractYear, Length, Lower, Now, RowNumber, TruncMonth  # noqa: E402
from psycopg.types.range import Range  # noqa: E402


class Paper(models.Model):
    region = models.TextField()
    title = models.CharField(max_length=40)
    level = models.CharField(max_length=10, default="bronze")
    uid = models.UUIDField(null=True)
    tags = ArrayField(models.TextField(), null=True)
    document = models.JSONField(null=True)
    price = models.DecimalField(max_digits=14, decimal_places=4, null=True)
    seen = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    hour = models.TimeField(null=True)
    span = models.DurationField(null=True)
    body = models.BinaryField(null=True)
    days = DateRangeField(null=True)
    ratio = models.FloatField(null=True)
    flag = models.BooleanField(null=True)
    small = models.SmallIntegerField(null=True)
    address = models.GenericIPAddressField(null=True)

    class Meta:
        app_label, managed, db_table = "shop", False, "papers"


class Note(models.Model):
    id = models.AutoField(primary_key=True)
    region = models.TextField()
    paper = models.ForeignKey(Paper, models.CASCADE, related_name="notes")
    text = models.TextField()

    class Meta:
        app_label, managed, db_table = "shop", False, "notes"


def new(title, **more):
    return Paper(region=REGION, title=title, **more)


def reads() -> None:
    fields = [f.name for f in Paper._meta.fields]
    step("rows", lambda: [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)
                          for row in Paper.objects.order_by("id").values_list(*fields[1:])[:2]])
    step("filters", lambda: list(Paper.objects.filter(
        Q(price__gt=1) | Q(title__icontains="NOR"), tags__contains=["a"], document__g__gte=1, day__year=2025, seen__date__lte="2025-03-02",
        days__contains=datetime.date(2025, 1, 5), uid__isnull=False).order_by("id").values_list("id", flat=True)))
    step("text filters", lambda: list(Paper.objects.filter(title__startswith="N", title__endswith="1", title__regex=r"\d", title__iexact="north 1",
                                                          level__in=["gold", "silver", "bronze"]).values_list("title", flat=True)))
    step("json", lambda: list(Paper.objects.filter(document__list__0=1, document__has_key="g", document__list__contains=["x"])
                              .order_by("id").values_list("document__g", flat=True)))
    step("related", lambda: [(n.text, n.paper.title) for n in Note.objects.select_related("paper").order_by("id")])
    step("prefetch", lambda: [(p.title, [n.text for n in p.notes.all()]) for p in
                              Paper.objects.prefetch_related(Prefetch("notes", Note.objects.order_by("id"))).order_by("id")])
    step("aggregate", lambda: Paper.objects.aggregate(Sum("price"), Avg("small"), n=Count("id"), f=Count("id", filter=Q(flag=True))))
    step("annotate", lambda: list(Paper.objects.annotate(n=Count("notes")).order_by("id").values_list("title", "n")))
    step("group", lambda: list(Paper.objects.values("region").annotate(total=Sum("price"), titles=ArrayAgg("title", ordering="title"),
                                                                      s=StringAgg("title", delimiter=", ", ordering="title")).order_by("region")))
    step("functions", lambda: list(Paper.objects.annotate(
        l=Length("title"), m=TruncMonth("seen"), y=ExtractYear("day"), c=Concat("title", Value("!")), w=Lower("region"), z=Coalesce("price", Value(0), output_field=models.DecimalField()),
        k=Case(When(price__gt=2, then=Value("much")), default=Value("little"))).order_by("id").values_list("l", "m", "y", "c", "w", "z", "k")[:2]))
    step("subqueries", lambda: list(Paper.objects.annotate(
        has=Exists(Note.objects.filter(paper=OuterRef("pk"))), first=Subquery(Note.objects.filter(paper=OuterRef("pk")).order_by("id").values("text")[:1]))
        .order_by("id").values_list("has", "first")))
    step("window", lambda: list(Paper.objects.annotate(r=Window(RowNumber(), partition_by=F("region"), order_by=F("price").desc()))
                                .filter(r__lte=2).order_by("id").values_list("title", "r")))
    step("union", lambda: list(Paper.objects.filter(flag=True).values_list("title").union(Note.objects.values_list("text")).order_by("title")))
    step("dates", lambda: list(Paper.objects.datetimes("seen", "day")))
    step("search", lambda: list(Paper.objects.annotate(rank=SearchRank(SearchVector("title"), SearchQuery("north"))).filter(
        title__search="north").order_by("id").values_list("title", flat=True)))
    step("iterator", lambda: [p.id for p in Paper.objects.order_by("id").iterator(chunk_size=2)])
    step("exists", lambda: (Paper.objects.exists(), Paper.objects.filter(title="nothing").exists(), Paper.objects.count(), Paper.objects.in_bulk([1, 5]).keys()))
    step("raw", lambda: [p.title for p in Paper.objects.raw("SELECT id, title FROM papers WHERE region = %s ORDER BY id", [REGION])])
    step("distinct on", lambda: list(Paper.objects.order_by("region", "-price").distinct("region").values_list("region", "title")))


def in_transaction(name, work) -> None:
    class Undo(Exception):
        pass

    def whole():
        answer = None
        try:
            with transaction.atomic():
                answer = work()
                raise Undo
        except Undo:
            return answer
    step(name, whole)


def writes() -> None:
    def unit():
        paper = new("django", uid=uuid.UUID(int=3), tags=["a"], document={"a": None, "b": [1]}, price=decimal.Decimal("1.25"), body=b"\x00\xff",
                    span=datetime.timedelta(days=1, seconds=3), days=Range(datetime.date(2025, 1, 1), None), address="10.0.0.9", flag=True,
                    seen=datetime.datetime(2025, 1, 1, tzinfo=datetime.timezone.utc), hour=datetime.time(1, 2))
        paper.save()
        paper.title = "django 2"
        paper.save(update_fields=["title"])
        paper.refresh_from_db()
        note = Note.objects.create(region=REGION, paper=paper, text="a note")
        Paper.objects.filter(pk=paper.pk).update(price=F("price") + 1, seen=Now())
        again = Paper.objects.get(title="django 2")
        return (paper.pk > 0, again.price, again.tags, again.document, bytes(again.body), again.span, again.days, again.address, note.pk > 0,
                paper.delete()[0])
    in_transaction("unit of work", unit)
    in_transaction("bulk create", lambda: (len(Paper.objects.bulk_create([new(f"b{i}", price=i + 1) for i in range(300)], batch_size=100)),
                                           Paper.objects.filter(title__startswith="b").aggregate(Sum("price"))))
    in_transaction("bulk update", lambda: (Paper.objects.bulk_create([new("u1"), new("u2")]), Paper.objects.bulk_update(
        [setattr(p, "small", i) or p for i, p in enumerate(Paper.objects.filter(title__in=["u1", "u2"]).order_by("title"))], ["small"]),
        list(Paper.objects.filter(title__in=["u1", "u2"]).order_by("title").values_list("small", flat=True)))[1:])
    in_transaction("upsert", lambda: (Paper.objects.bulk_create([new("up", price=1)]), Paper.objects.bulk_create(
        [new("up", price=9)], update_conflicts=True, unique_fields=["region", "title"], update_fields=["price"]), Paper.objects.get(title="up").price)[2])
    in_transaction("ignore", lambda: (Paper.objects.bulk_create([new("up")]), Paper.objects.bulk_create([new("up")], ignore_conflicts=True),
                                      Paper.objects.filter(title="up").count())[2])
    in_transaction("get or create", lambda: (Paper.objects.get_or_create(region=REGION, title="g")[1], Paper.objects.update_or_create(
        region=REGION, title="g", defaults={"price": 4})[1]))
    in_transaction("locked", lambda: list(Paper.objects.select_for_update(skip_locked=True, of=("self",)).filter(region=REGION).order_by("id").values_list("id", flat=True)[:2]))
    in_transaction("locked, no key", lambda: list(Paper.objects.select_for_update(no_key=True).order_by("id").values_list("id", flat=True)[:2]))

    def savepoints():
        sid = transaction.savepoint()
        Note.objects.all().delete()
        transaction.savepoint_rollback(sid)
        try:
            with transaction.atomic():
                Paper.objects.bulk_create([new("twice"), new("twice")])
        except IntegrityError as error:
            return Note.objects.count(), error.__cause__.sqlstate
    in_transaction("savepoints", savepoints)
    in_transaction("cascade", lambda: Paper.objects.filter(region=REGION).order_by("id").last().delete())
    in_transaction("delete", lambda: Paper.objects.filter(region=REGION, flag=True).delete())
    if REGION != "East":
        in_transaction("new row outside", lambda: Paper.objects.create(region="Nowhere", title="x"))


def introspection() -> None:
    tables = ["papers", "notes", "customers", "items", "titles"]
    with connection.cursor() as cursor:
        inspect = connection.introspection
        step("~tables", lambda: sorted(t.name for t in inspect.get_table_list(cursor)))
        for table in tables:
            step(f"description of {table}", lambda: [tuple(c) for c in inspect.get_table_description(cursor, table) if c.type_code < 16384])
            step(f"constraints of {table}", lambda: sorted(inspect.get_constraints(cursor, table).items()))
            step(f"sequences of {table}", lambda: inspect.get_sequences(cursor, table))
            step(f"relations of {table}", lambda: inspect.get_relations(cursor, table))
            step(f"key of {table}", lambda: inspect.get_primary_key_columns(cursor, table))

    def inspected(*which):
        target = io.StringIO()
        call_command("inspectdb", *which, stdout=target, include_partitions=True, include_views=True)
        return target.getvalue()
    for table in tables:
        step(f"inspectdb {table}", lambda: inspected(table))
    step("~inspectdb", lambda: [line for line in inspected().splitlines() if "db_table" in line or line.startswith("#")])
    step("features", lambda: (connection.pg_version // 10000, connection.features.is_postgresql_15, connection.is_usable()))

    def migrations():
        from django.db.migrations.executor import MigrationExecutor
        executor = MigrationExecutor(connection)
        return executor.loader.applied_migrations, executor.migration_plan(executor.loader.graph.leaf_nodes())
    step("migrations", migrations)
    step("check", lambda: call_command("check", database=["default"], stdout=io.StringIO()))


reads()
writes()
introspection()


def payroll():
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM payroll")


denied("payroll", payroll)
step("reconnect", lambda: (connection.close_if_unusable_or_obsolete(), connection.close(), Paper.objects.count())[2])
connections.close_all()
