"""Copies rows in: psycopg_copy.py URL text|binary TABLE (COLUMNS) `a|b` …; prints `copied N` or `SQLSTATE message`."""
import sys

import psycopg


def main() -> None:
    url, kind, target, *rows = sys.argv[1:]
    with psycopg.connect(url) as connection:
        cursor = connection.cursor()
        try:
            with cursor.copy(f"COPY {target} FROM STDIN (FORMAT {kind})") as copy:
                copy.set_types(["text", "text"])
                for row in rows:
                    copy.write_row(row.split("|"))
            print(f"copied {cursor.rowcount}")
        except psycopg.Error as error:
            print(error.sqlstate, error.diag.message_primary)


main()
