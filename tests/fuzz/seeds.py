"""Writes the seeds of one fuzz target into a folder: seeds.py TARGET FOLDER.

Statements come from the case files of all suites and from the attack corpus where it is there; frames are made of them.
"""

import json
import os
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = pathlib.Path(os.environ.get("REDTEAM", ROOT / "../shared/redteam"))


def statements():
    for folder in ("tests/cases", "crates"):
        for file in sorted((ROOT / folder).rglob("*.sql")):
            yield from file.read_text().split("\n\n")
    yield from texts(json.loads((ROOT / "tests/redteam/hunt.json").read_text()))
    attacks = CORPUS / "attacks.json"
    if attacks.exists():
        yield from texts(json.loads(attacks.read_text()))


def texts(value):
    """Every string of a JSON value that looks like SQL."""
    if isinstance(value, str):
        if " " in value:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)


def frame(tag, body):
    return tag + struct.pack(">I", len(body) + 4) + body


def frames():
    text = b"SELECT $1, $2"
    parse = frame(b"P", b"s\0" + text + b"\0" + struct.pack(">HII", 2, 23, 25))
    bind = frame(b"B", b"p\0s\0" + struct.pack(">HHHHi", 2, 0, 1, 2, 2) + b"42" + struct.pack(">iHH", -1, 1, 1))
    rest = frame(b"D", b"Pp\0") + frame(b"E", b"p\0" + struct.pack(">i", 3)) + frame(b"C", b"Ss\0") + frame(b"S", b"")
    yield parse + bind + rest
    yield frame(b"Q", b"SELECT 1\0") + frame(b"X", b"")
    yield frame(b"d", b"1\tx\n") + frame(b"c", b"") + frame(b"f", b"no\0") + frame(b"H", b"")
    yield b"Q" + struct.pack(">I", 700) + b"x" * 696 + frame(b"S", b"")
    yield b"Q" + struct.pack(">I", 3)
    # Bodies alone, for the readers.
    for one in (parse, bind, frame(b"D", b"Pp\0"), frame(b"E", b"p\0\0\0\0\3")):
        yield one[5:]


def policies():
    for file in ("config/demo/policy.yaml", "tests/cases/policy.yaml", "tests/redteam/policy.yaml"):
        yield (ROOT / file).read_text()
    yield (ROOT / "crates/rewrite/tests/support/policy.yaml").read_text()


def main():
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    seeds = {"frames": frames, "policy": policies}.get(target, statements)()
    for number, seed in enumerate(seeds):
        seed = seed if isinstance(seed, bytes) else seed.strip().encode()
        (folder / f"seed-{number}").write_bytes(seed)


main()
