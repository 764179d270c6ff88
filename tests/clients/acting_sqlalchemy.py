"""SQLAlchemy, one pool for everybody: acting_sqlalchemy.py URL PERSON...

Prints `person: regions` for each person, asked by several threads at once.
"""
import sys
from concurrent.futures import ThreadPoolExecutor

URL, *PEOPLE = sys.argv[1:]

# README: begin
from contextvars import ContextVar

from sqlalchemy import create_engine, event, text

engine = create_engine(URL, pool_size=2)  # postgresql+psycopg://app:…@pgcordon/shop
person = ContextVar("person")  # whom the request is for; your login sets it


@event.listens_for(engine, "begin")
def act_for(connection):
    connection.exec_driver_sql("SELECT set_config('pgcordon.user', %s, true)", (person.get(),))
# README: end


def regions(name: str) -> str:
    person.set(name)
    with engine.begin() as connection:
        found = connection.execute(text("SELECT DISTINCT region FROM customers WHERE id > :id ORDER BY 1"), {"id": 0})
        return f"{name}: {','.join(found.scalars())}"


with ThreadPoolExecutor(4) as threads:
    answers = set(threads.map(regions, PEOPLE * 20))
print("\n".join(sorted(answers)))
try:
    print(regions("nobody"))
except Exception as error:
    print("nobody:", error.orig.sqlstate)
