"""A small PostgreSQL client: SCRAM, simple and extended queries, and the liberties that a driver does not allow.

In:  port, user, password, database.
Out: rows as lists of text (None for NULL), errors as `ServerError` with their SQLSTATE.

Invariants:
- A connection that broke raises `OSError`; whether the statement was carried out is then unknown to the caller.
- Whatever the server sends before ReadyForQuery is read: no answer is left for the next question.
"""
import base64
import functools
import hashlib
import hmac
import os
import socket
import struct


class ServerError(Exception):
    def __init__(self, body):
        fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
        self.code, self.message = fields.get(b"C", "?????"), fields.get(b"M", "")
        super().__init__(f"{self.code} {self.message}")


@functools.lru_cache(maxsize=64)
def _salted(password, salt, rounds):
    return hashlib.pbkdf2_hmac("sha256", password, salt, rounds)


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def _text(value):
    return value.encode() + b"\0"


class Connection:
    def __init__(self, port, user, password, database, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.status = b"", b"I"
        try:
            self._login(user, password.encode(), database)
        except BaseException:
            self.socket.close()
            raise

    def close(self, politely=True):
        try:
            if politely:
                self.socket.sendall(message(b"X"))
        except OSError:
            pass
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _read(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("closed by the server")
            self.buffer += data
        head, self.buffer = self.buffer[:count], self.buffer[count:]
        return head

    def receive(self):
        """The next message: (kind, body)."""
        head = self._read(5)
        return head[:1], self._read(struct.unpack("!i", head[1:])[0] - 4)

    def _login(self, user, password, database):
        body = struct.pack("!i", 196608) + _text("user") + _text(user) + _text("database") + _text(database) + b"\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        first = f"n=,r={base64.b64encode(os.urandom(18)).decode()}"
        while True:
            kind, body = self.receive()
            if kind == b"E":
                raise ServerError(body)
            if kind == b"Z":
                return
            if kind == b"R":
                self._authenticate(struct.unpack("!i", body[:4])[0], body[4:], password, first)

    def _authenticate(self, code, body, password, first):
        if code == 10:
            start = f"n,,{first}".encode()
            self.send(message(b"p", _text("SCRAM-SHA-256") + struct.pack("!i", len(start)) + start))
        elif code == 11:
            said = dict(part.split("=", 1) for part in body.decode().split(","))
            final = f"c=biws,r={said['r']}"
            key = hmac.digest(_salted(password, base64.b64decode(said["s"]), int(said["i"])), b"Client Key", "sha256")
            signed = f"{first},{body.decode()},{final}".encode()
            signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
            proof = bytes(left ^ right for left, right in zip(key, signature))
            self.send(message(b"p", f"{final},p={base64.b64encode(proof).decode()}".encode()))
        elif code not in (0, 12):
            raise ConnectionError(f"authentication method {code}")

    def answer(self):
        """Rows up to ReadyForQuery; raises the first error, when everything has been read."""
        rows, error = [], None
        while True:
            kind, body = self.receive()
            if kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                error = error or ServerError(body)
            elif kind == b"Z":
                self.status = body
                if error:
                    raise error
                return rows

    def query(self, sql):
        self.send(message(b"Q", _text(sql)))
        return self.answer()

    def prepare(self, name, sql):
        self.send(message(b"P", _text(name) + _text(sql) + b"\0\0") + message(b"S"))
        return self.answer()

    def execute(self, name, *values):
        """Runs a prepared statement with text parameters."""
        bind = b"\0" + _text(name) + struct.pack("!hh", 0, len(values))
        for value in values:
            value = str(value).encode()
            bind += struct.pack("!i", len(value)) + value
        bind += struct.pack("!h", 0)
        self.send(message(b"B", bind) + message(b"E", b"\0" + struct.pack("!i", 0)) + message(b"S"))
        return self.answer()

    def extended(self, sql, *values):
        """Through the unnamed statement, in one write."""
        self.send(message(b"P", b"\0" + _text(sql) + b"\0\0"))
        return self.execute("", *values)


def _row(body):
    fields, at = [], 2
    for _ in range(struct.unpack("!h", body[:2])[0]):
        (length,) = struct.unpack("!i", body[at : at + 4])
        at += 4
        fields.append(None if length < 0 else body[at : at + length].decode())
        at += max(length, 0)
    return fields
