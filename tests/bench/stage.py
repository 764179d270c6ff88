"""A PostgreSQL of its own in a temporary folder, other processes, and the secrets that all of them share.

In:  PG_BIN (a PostgreSQL's bin folder); the folder to work in.
Out: processes that answer on loopback, by port.

Invariants:
- Whatever was started here is stopped by its process id, on every way out.
- PostgreSQL refuses to run as root, and so does PgBouncer: root starts both as user postgres.
"""
import base64
import contextlib
import hashlib
import hmac
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import time

PG_BIN = pathlib.Path(os.environ.get("PG_BIN", "/usr/lib/postgresql/15/bin"))
AS_SERVER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
PATIENCE_S = 60


def program(name):
    """A program of PostgreSQL's: distributions do not put all of them into one folder."""
    return PG_BIN / name if (PG_BIN / name).exists() else name


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def verifier(password):
    """A SCRAM-SHA-256 verifier as PostgreSQL, PgBouncer and a policy file write it."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt, stored, server = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256$4096:{salt}${stored}:{server}"


def certificate(folder):
    """A self-signed RSA certificate: (certificate, key), PEM."""
    made = folder / "server.crt", folder / "server.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-out", made[0], "-keyout", made[1]], check=True, capture_output=True)
    # The proxies under test run as other users.
    made[1].chmod(0o644)
    return made


def _many_files():
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Process:
    """A program that stays in the foreground and answers on a port."""

    def __init__(self, name, command, port, log, stop=signal.SIGTERM, env=None):
        self.name, self.port, self.log, self.signal = name, port, log, stop
        with open(log, "ab") as out:
            self.child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=env, preexec_fn=_many_files, start_new_session=True,
            )
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self):
        return self.child.pid

    def wait(self):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.child.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise SystemExit(f"{self.name} did not start: {pathlib.Path(self.log).read_text(errors='replace')[-2000:]}")

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(self.signal)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


class Cluster:
    """A throw-away PostgreSQL: no durability, nothing in the background, everything in memory."""

    SETTINGS = {
        "listen_addresses": "127.0.0.1", "shared_buffers": "512MB", "fsync": "off", "synchronous_commit": "off",
        "full_page_writes": "off", "max_connections": "400", "autovacuum": "off", "jit": "off", "max_wal_size": "4GB",
        "checkpoint_timeout": "1h",
    }

    def __init__(self, folder, hba="trust", tls=None, **settings):
        self.data, self.port, self.socket = folder / "data", free_port(), folder
        self.data.mkdir()
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
            shutil.chown(self.data, "postgres")
        command = [program("initdb"), "-D", self.data, "-U", "postgres", "--auth-local=trust", f"--auth-host={hba}"]
        made = subprocess.run([*AS_SERVER, *command, "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync"], capture_output=True)
        if made.returncode:
            raise SystemExit(f"initdb: {made.stderr.decode()}")
        self.settings = {**self.SETTINGS, "unix_socket_directories": str(folder), **settings}
        if tls:
            self._certificate(tls)
        self.start()

    def _certificate(self, tls):
        for source, name in zip(tls, ("server.crt", "server.key")):
            shutil.copy(source, self.data / name)
            (self.data / name).chmod(0o600)
            if os.getuid() == 0:
                shutil.chown(self.data / name, "postgres", "postgres")
        self.settings["ssl"] = "on"

    def start(self):
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        command = [*AS_SERVER, program("postgres"), "-D", self.data, "-p", self.port, *options]
        # INT is PostgreSQL's fast shutdown: it does not wait for clients.
        self.process = Process("PostgreSQL", command, self.port, self.socket.parent / "postgres.log", stop=signal.SIGINT)
        self.run("postgres", "SELECT 1")

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.stop()

    def run(self, database, sql, user="postgres"):
        """What the statements print, unaligned; ends the program when one fails."""
        command = [program("psql"), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", str(self.socket), "-p", str(self.port)]
        for _ in range(50):
            done = subprocess.run([*command, "-U", user, "-d", database, "-f", "-"], input=sql, capture_output=True, text=True)
            # It listens on its port before it does on its socket.
            if "starting up" not in done.stderr and "Is the server running" not in done.stderr:
                break
            time.sleep(0.1)
        if done.returncode:
            raise SystemExit(f"{database}: {done.stderr[:2000]}")
        return done.stdout
