"""Members of long JSON arrays, or documents, one at a time: memory is bounded by the largest of them."""

import json
import re
from collections.abc import Generator, Iterator
from typing import IO, Any

from inferplan.datasets.uploads.reading import UnreadableError

_CHUNK = 1 << 20
MAX_MEMBER = 64 << 20
_LONGEST_OPENING = 1000
_GAP = re.compile(r"[\s,]*")


def members(stream: IO[str], key: str, file_name: str) -> Iterator[Any]:
    """Yield the members of the array under ``key`` of the document in ``stream``, and of those that follow.

    Raises
    ------
    UnreadableError
        If the document ends early, is no JSON, or one member is longer than ``MAX_MEMBER`` characters.
    """
    opening = re.compile(rf'"{re.escape(key)}"\s*:\s*\[')
    buffer, is_first = "", True
    while True:
        while not (match := opening.search(buffer)):
            chunk = stream.read(_CHUNK)
            if is_first and (not chunk or len(buffer) > MAX_MEMBER):
                msg = f"{file_name} has no list {key!r}: it is cut off or of another kind."
                raise UnreadableError(msg)
            if not chunk:
                return
            buffer = (buffer if is_first else buffer[-_LONGEST_OPENING:]) + chunk
        is_first = False
        buffer = yield from _decoded(stream, buffer[match.end() :], file_name, is_list=True)


def documents(stream: IO[str], file_name: str) -> Iterator[Any]:
    """Yield the members of the array in ``stream``, or the JSON documents that follow each other there.

    Raises
    ------
    UnreadableError
        As ``members`` does.
    """
    buffer = stream.read(_CHUNK).lstrip("\ufeff \t\r\n")
    is_list = buffer.startswith("[")
    yield from _decoded(stream, buffer[1:] if is_list else buffer, file_name, is_list=is_list)


def _decoded(stream: IO[str], buffer: str, file_name: str, *, is_list: bool) -> Generator[Any, None, str]:
    """Yield JSON values up to the end of their list, or of the stream; return what was read beyond it."""
    decoder = json.JSONDecoder()
    position = 0
    wanted = _CHUNK
    while True:
        position = _end_of_gap(buffer, position)
        if is_list and position < len(buffer) and buffer[position] == "]":
            return buffer[position + 1 :]
        reason = "it ends inside the list"
        if position < len(buffer):
            try:
                member, end = decoder.raw_decode(buffer, position)
            except json.JSONDecodeError as error:
                reason = str(error)
            except (RecursionError, ValueError) as error:  # of numbers with thousands of digits
                msg = f"{file_name} is nested too deeply, or holds a number that cannot be: {error}."
                raise UnreadableError(msg) from error
            else:
                yield with_whole_signs(member, buffer[position:end])
                position = end
                wanted = _CHUNK
                continue
        if len(buffer) - position > MAX_MEMBER:
            msg = (
                f"{file_name} has a member above {MAX_MEMBER >> 20} MiB in its list, or is no JSON: {reason}."
            )
            raise UnreadableError(msg)
        more = stream.read(wanted)
        if not more and not is_list and position == len(buffer):
            return ""
        if not more:
            msg = f"{file_name} is no complete JSON document: {reason}. It was cut off; export it again."
            raise UnreadableError(msg)
        buffer, position = buffer[position:] + more, 0
        wanted *= 2


def with_whole_signs(value: Any, text: str) -> Any:
    """Return the ``value`` of a JSON ``text``; half a sign, which only an escape can write, becomes ``?``."""
    if "\\ud" not in text and "\\uD" not in text:
        return value
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _end_of_gap(buffer: str, position: int) -> int:
    match = _GAP.match(buffer, position)
    return match.end() if match else position
