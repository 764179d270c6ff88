"""Django, one service account for everybody: acting_django.py URL PERSON...

Prints `person: regions` for each person, as a middleware lets a view see them.
"""
import sys
from types import SimpleNamespace
from urllib.parse import urlparse

from django.conf import settings

URL, *PEOPLE = sys.argv[1:]
WHERE = urlparse(URL)
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": WHERE.path[1:], "USER": WHERE.username, "PASSWORD": WHERE.password,
    "HOST": WHERE.hostname, "PORT": WHERE.port, "CONN_MAX_AGE": 60}})

# README: begin
from django.db import connection, transaction


class ActForTheUser:  # in MIDDLEWARE, behind AuthenticationMiddleware
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('pgcordon.user', %s, true)", [request.user.username])
            return self.get_response(request)
# README: end


def view(request) -> str:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT region FROM customers WHERE id > %s ORDER BY 1", [0])
        return f"{request.user.username}: {','.join(region for (region,) in cursor.fetchall())}"


def ask(name: str) -> str:
    return ActForTheUser(view)(SimpleNamespace(user=SimpleNamespace(username=name)))


print("\n".join(sorted({ask(name) for name in PEOPLE * 5})))
try:
    print(ask("nobody"))
except Exception as error:
    print("nobody:", error.__cause__.sqlstate)
