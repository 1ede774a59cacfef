"""Values inside of objects in JSON and of structures in Parquet, as columns: ``usage.prompt_tokens``."""

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from string import Template
from typing import TYPE_CHECKING, Any

from inferplan.datasets.uploads.json_stream import documents
from inferplan.datasets.uploads.reading import UnreadableError
from inferplan.datasets.uploads.wording import quoted

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor

WITHIN = Template("CASE WHEN json_valid($column) THEN json_extract_string($column, $path) END AS $name")
"""SQL of the value at a path in the texts of a column."""
_DEPTH = 4
_MOST = 500
_DOCUMENTS = 50


def nested(head: str) -> dict[str, tuple[str, str]]:
    """Return the column and the JSON path in it of each value within an object, by the names on the way.

    >>> nested('{"id": "a", "usage": {"prompt_tokens": 3}}')
    {'usage.prompt_tokens': ('usage', '$."prompt_tokens"')}
    """
    found: dict[str, tuple[str, str]] = {}
    for document in _first(head):
        if isinstance(document, Mapping):
            for path in _paths(document, ()):
                inner = "".join(f'."{name}"' for name in path[1:])
                found[".".join(path)] = (path[0], f"${inner}")
    return dict(islice(found.items(), _MOST))


def unnested(names: Sequence[str], head: str) -> list[str]:
    """Return the ``names`` of columns with those of the values in objects instead of the objects."""
    inner = nested(head)
    outer = {column for column, _ in inner.values()}
    kept = [name for name in names if name not in outer]
    return [*kept, *(name for name in inner if name not in kept)]


def unpacked(cursor: "Cursor", source: str) -> dict[str, str]:
    """Return SQL of each column of ``source``, by name, with the values in structures instead of them."""
    found: dict[str, str] = {}
    waiting: list[tuple[tuple[str, ...], str]] = [
        ((name,), kind) for name, kind in _columns(cursor, "*", source)
    ]
    while waiting:
        path, kind = waiting.pop(0)
        sql = ".".join(map(quoted, path))
        if kind.startswith("STRUCT(") and kind.endswith(")") and len(path) < _DEPTH:
            inner = _columns(cursor, f"unnest({sql})", source)
            waiting += [((*path, name), kind) for name, kind in inner]
        else:
            found[".".join(path)] = sql
    return found


def _columns(cursor: "Cursor", columns: str, source: str) -> list[tuple[str, str]]:
    described = cursor.execute(" ".join(("DESCRIBE SELECT", columns, "FROM", source))).fetchall()
    return [(name, kind) for name, kind, *_ in described]


def _first(head: str) -> Iterator[Any]:
    """Yield the first documents; the last in ``head`` may be cut off."""
    try:
        yield from islice(documents(io.StringIO(head), ""), _DOCUMENTS)
    except UnreadableError:
        return


def _paths(value: Mapping[str, Any], start: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, inner in value.items():
        if '"' in name:
            continue
        path = (*start, name)
        if isinstance(inner, Mapping) and len(path) < _DEPTH:
            yield from _paths(inner, path)
        elif len(path) > 1 and not isinstance(inner, Mapping | list):
            yield path
