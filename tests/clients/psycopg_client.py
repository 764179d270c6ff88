"""Prints the rows of one query, `|` between columns: psycopg_client.py URL simple|extended|prepared QUERY."""
import sys

import psycopg


def main() -> None:
    url, protocol, query = sys.argv[1:]
    with psycopg.connect(url) as connection:
        if protocol == "simple":
            # ClientCursor binds on the client's side, so libpq sends a simple query.
            rows = psycopg.ClientCursor(connection).execute(query).fetchall()
        else:
            text = query.replace("> 0", "> %s")
            runs = 3 if protocol == "prepared" else 1
            for _ in range(runs):
                rows = connection.execute(text, [0], prepare=protocol == "prepared").fetchall()
    for row in rows:
        print("|".join(str(value) for value in row))


main()
