"""A plan as one short value of a link: versioned, compressed, safe in a URL. It is not secret."""

import base64
import binascii
import zlib

from inferplan.planner.plan import (
    MAX_DOCUMENT_CHARACTERS,
    AnyPlan,
    PlanError,
    canonical_json,
    read_plan,
)

MAX_SHARE_CHARACTERS = 2000
"""Half of the shortest URL that is reported to break on the way (Azure Static Web Apps issue 848: 4,096)."""

_VERSION = "1"
_RAW_DEFLATE = -15
_CHECKSUM_BYTES = 4


def share_value(plan: AnyPlan) -> str | None:
    """Return ``plan`` as the value of a link, or ``None`` when it is too long for one.

    A plan too long for a link is saved and linked by its id.

    The version digit is followed by Base64 (URL alphabet, no padding) of a CRC-32 and the deflated document.
    """
    content = canonical_json(plan).encode()
    compress = zlib.compressobj(9, zlib.DEFLATED, _RAW_DEFLATE)
    packed = compress.compress(content) + compress.flush()
    checksum = zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "big")
    value = _VERSION + base64.urlsafe_b64encode(checksum + packed).decode().rstrip("=")
    return value if len(value) <= MAX_SHARE_CHARACTERS else None


def plan_of_link(value: str) -> AnyPlan:
    """Return the plan in a link's value.

    Raises
    ------
    PlanError
        If the value was cut off, altered, made by a newer version, or holds no plan.
    """
    if not value.startswith(_VERSION):
        msg = "this link was made by a newer version of Inferplan, or is none of its links"
        raise PlanError(msg)
    try:
        raw = base64.b64decode(value[1:] + "=" * (-len(value[1:]) % 4), altchars=b"-_", validate=True)
        unpack = zlib.decompressobj(_RAW_DEFLATE)
        content = unpack.decompress(raw[_CHECKSUM_BYTES:], MAX_DOCUMENT_CHARACTERS)
    except (ValueError, binascii.Error, zlib.error):
        raise _damaged() from None
    checksum = int.from_bytes(raw[:_CHECKSUM_BYTES], "big")
    if not unpack.eof or unpack.unused_data or zlib.crc32(content) != checksum:
        raise _damaged()
    return read_plan(content)


def _damaged() -> PlanError:
    return PlanError(
        "this link is incomplete or was altered on the way; copy the whole link and open it again"
    )
