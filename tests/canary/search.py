"""Finds identities in bytes, in whatever way they are written there, and turns a database into text."""

import base64
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import duckdb
from tests.canary.identities import HEX, NETWORK, PHONE, WORD

_AROUND = 150


def _base64_cores(text: bytes) -> Iterator[bytes]:
    """What encoding `text` gives wherever it stands; all but the characters that its neighbours decide."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + text)
        first = (before * 8 + 5) // 6
        yield encoded[first : (before + len(text)) * 8 // 6]


def _forms() -> set[bytes]:
    """The markers as they may be written: small letters, since what is searched is made small as well."""
    words = [WORD.encode(), WORD.lower().encode(), WORD.upper().encode()]
    identifier = bytes.fromhex(HEX)
    numbers = [
        HEX,
        "ca7a57e5-d00d",
        "ca7a:57e5:d00d",
        "ca:7a:57:e5:d0",
        NETWORK,
        PHONE,
        PHONE.replace(" ", ""),
    ]
    forms = {*words, identifier, *(number.encode() for number in numbers)}
    for text in [*words, identifier, PHONE.encode(), NETWORK.encode()]:
        forms |= {text.hex().encode(), text[::-1], text[::-1].hex().encode(), *_base64_cores(text)}
    forms |= {word.decode().encode(encoding) for word in words for encoding in ("utf-16-le", "utf-16-be")}
    return {form.lower() for form in forms if len(form) >= 6}  # shorter ones are chance


FORMS = _forms()


def found(text: bytes | str, places: Mapping[str, str]) -> list[str]:
    """What of an identity stands there: whose, or at least in which words."""
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    small = content.lower()
    hits = []
    for form in FORMS:
        at = small.find(form)
        if at >= 0:
            around = content[max(0, at - _AROUND) : at + _AROUND]
            hits.append(f"{_whose(around, places)}: …{around!r}…")
    return hits


def _whose(around: bytes, places: Mapping[str, str]) -> str:
    words = around.decode("latin-1").lower()
    return next((place for text, place in places.items() if text.lower() in words), "part of an identity")


def files(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below the directory as it is now."""
    for path in sorted(directory.rglob("*")):
        try:
            if path.is_file():
                yield str(path.relative_to(directory)), path.read_bytes()
        except FileNotFoundError:
            continue


def tables(database: Path, copies: Path) -> Iterator[tuple[str, str]]:
    """Every column of every table and view, as text: compression hides words from a search of the bytes.

    A copy is opened, so that the log beside the file is read as a restart would read it.
    """
    copies.mkdir(parents=True)
    for path in database.parent.glob(f"{database.name}*"):
        if path.is_file():
            shutil.copy(path, copies / path.name)
    with duckdb.connect(str(copies / database.name)) as connection:
        names = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns ORDER BY ALL"
        ).fetchall()
        for table, column, kind in names:
            text = f'hex("{column}")' if kind == "BLOB" else f'CAST("{column}" AS VARCHAR)'
            cells = connection.execute(f'SELECT string_agg({text}, chr(10)) FROM main."{table}"').fetchall()
            yield f"{table}.{column}", str(cells[0][0])
    shutil.rmtree(copies)


def hits(read: Iterable[tuple[str, bytes | str]], places: Mapping[str, str]) -> list[str]:
    """All that was found, each with where it was read."""
    return [f"{name}: {hit}" for name, content in read for hit in found(content, places)]
