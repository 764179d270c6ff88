"""Logs in by OAUTHBEARER with the libpq 18 that psycopg's wheel brings along, and prints what one query gives.

In:  a connection string, a token, a query.
Out: the first value, or libpq's last words; then what the server had told of where tokens come from, if it was asked.

psycopg itself cannot hand a token over: the hook for it is libpq's own (PQsetAuthDataHook), reached through ctypes.
"""

import ctypes
import glob
import os
import sys

import psycopg
import psycopg_binary  # noqa: F401  its folder holds the library

BEARER_TOKEN = 1  # PQAUTHDATA_OAUTH_BEARER_TOKEN


class Request(ctypes.Structure):
    """PGoauthBearerRequest."""

    _fields_ = [
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("poll", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_void_p),
        ("user", ctypes.c_void_p),
    ]


def library():
    if psycopg.pq.version() < 180000:
        sys.exit("psycopg's wheel brings libpq %d, not 18" % psycopg.pq.version())
    packages = os.path.dirname(os.path.dirname(psycopg_binary.__file__))
    pattern = os.path.join(packages, "psycopg_binary.libs", "libpq-*.so*")
    loaded = ctypes.CDLL(glob.glob(pattern)[0])
    for name in ("PQconnectdb", "PQexec"):
        getattr(loaded, name).restype = ctypes.c_void_p
    for name in ("PQerrorMessage", "PQgetvalue"):
        getattr(loaded, name).restype = ctypes.c_char_p
    for name in ("PQstatus", "PQerrorMessage", "PQfinish"):
        getattr(loaded, name).argtypes = [ctypes.c_void_p]
    loaded.PQexec.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    loaded.PQgetvalue.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    return loaded


def main():
    target, token, query = sys.argv[1:]
    libpq = library()
    kept = ctypes.create_string_buffer(token.encode())
    told = []

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
    def cleanup(_connection, _request):
        pass  # `kept` belongs to Python.

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    def hook(kind, _connection, data):
        if kind != BEARER_TOKEN:
            return 0
        request = ctypes.cast(data, ctypes.POINTER(Request)).contents
        told.append((request.openid_configuration, request.scope))
        request.token = ctypes.cast(kept, ctypes.c_void_p).value
        request.cleanup = ctypes.cast(cleanup, ctypes.c_void_p).value
        return 1

    libpq.PQsetAuthDataHook(hook)
    connection = libpq.PQconnectdb(target.encode())
    if libpq.PQstatus(connection) == 0:
        print(libpq.PQgetvalue(libpq.PQexec(connection, query.encode()), 0, 0).decode())
    else:
        print(libpq.PQerrorMessage(connection).decode().strip().rsplit("failed: ", 1)[-1])
    for address, scope in told:
        print(address.decode(), scope.decode())
    libpq.PQfinish(connection)


main()
