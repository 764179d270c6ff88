"""Steps of a client program: each prints one line `name: answer`, or `name: ERROR sqlstate`.

The same program runs through pgcordon and against PostgreSQL with native row security; the lines must be equal.
With STEPS_VERBOSE set the errors' texts go to stderr.
"""
import os
import sys
from typing import Any, Callable

VERBOSE = bool(os.environ.get("STEPS_VERBOSE"))
# What must not work by any means: pgcordon says that it does not exist, PostgreSQL that it is forbidden.
DENIED = ("42501", "42P01", "0A000")


def sqlstate(error: BaseException | None) -> str:
    """The SQLSTATE that a driver or an ORM on top of it reports."""
    seen = 0
    while error is not None and seen < 6:
        for name in ("sqlstate", "pgcode"):
            code = getattr(error, name, None)
            if code:
                return str(code)
        if error.args and isinstance(error.args[0], dict) and "C" in error.args[0]:
            return error.args[0]["C"]  # pg8000
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__
        seen += 1
    return "none"


def note(name: str, error: BaseException) -> str:
    """The error in short; in full on stderr."""
    if VERBOSE:
        text = " ".join(str(error).split())
        print(f"    {name}: {type(error).__name__}: {text[:700]}", file=sys.stderr)
    return sqlstate(error)


def step(name: str, work: Callable[[], Any]) -> None:
    """Runs one step and prints what came of it."""
    try:
        answer = repr(work())
    except Exception as error:  # the step's outcome, whatever it is
        answer = f"ERROR {note(name, error)}"
    print(f"{name}: {answer}", flush=True)


async def step_async(name: str, work: Callable[[], Any]) -> None:
    """As `step`, for a coroutine."""
    try:
        answer = repr(await work())
    except Exception as error:  # the step's outcome, whatever it is
        answer = f"ERROR {note(name, error)}"
    print(f"{name}: {answer}", flush=True)


def denied(name: str, work: Callable[[], Any]) -> None:
    """Runs what must be refused."""
    try:
        answer = f"NOT DENIED: {work()!r}"
    except Exception as error:  # the step's outcome, whatever it is
        code = note(name, error)
        answer = "denied" if code in DENIED else f"ERROR {code}"
    print(f"{name}: {answer}", flush=True)


async def denied_async(name: str, work: Callable[[], Any]) -> None:
    """As `denied`, for a coroutine."""
    try:
        answer = f"NOT DENIED: {await work()!r}"
    except Exception as error:  # the step's outcome, whatever it is
        code = note(name, error)
        answer = "denied" if code in DENIED else f"ERROR {code}"
    print(f"{name}: {answer}", flush=True)
