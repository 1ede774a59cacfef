"""Usage from a Prometheus server or anything that answers as one: Thanos, Mimir, VictoriaMetrics, AMP.

API: prometheus/prometheus docs/querying/api.md. Addresses are http or https only, redirects are not followed,
certificates are checked, and what proves who asks is neither stored nor shown.
"""

import json
import shutil
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import SEEK_END, TextIOWrapper
from pathlib import Path
from typing import IO, Any

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, MaxRetryError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as TimedOutError
from urllib3.util import Retry, Timeout, Url, make_headers, parse_url

from inferplan.datasets.errors import InferplanError, SourceAnswerError, SourceSkippedError
from inferplan.datasets.exports.prometheus_json import warnings_of
from inferplan.datasets.live.window import Budget, Window
from inferplan.datasets.uploads.json_stream import members

MOST_POINTS = 11_000  # of one series in one answer: prometheus/prometheus web/api/v1/api.go, queryRange
MOST_ANSWER_BYTES = 4 << 30
MOST_ERROR_BYTES = 100_000
_API = "/api/v1/query_range"
_CHUNK_BYTES = 1 << 20
_TAIL_BYTES = 1 << 16
_TRY_LATER = frozenset({429, 502, 503, 504})
_REFUSED = frozenset({401, 403})
_TOO_MUCH = ("too many samples", "maximum resolution", "exceeded maximum", "too many points")


class _TooMuchError(SourceAnswerError):
    """The server would answer for less time."""


@dataclass(frozen=True)
class Prometheus:
    """A server and the queries to ask it."""

    url: str
    queries: tuple[str, ...]
    user: str | None = None
    secret: str | None = field(default=None, repr=False)
    """Password of ``user``; without one a bearer token."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    timeout_s: float = 60.0
    """Until a connection answers, and between two parts of an answer."""

    @property
    def title(self) -> str:
        """Host and path of the server."""
        base = _base(self.url)
        return f"Prometheus {base.netloc}{base.path or ''}"

    def write(self, window: Window, document: IO[str], budget: Budget) -> None:
        """Write the answers to all queries as one answer of ``query_range``.

        Raises
        ------
        SourceSkippedError
            If the server cannot be reached or refuses to answer.
        SourceAnswerError
            If it answers with an error or with something unreadable.
        """
        warnings: dict[str, None] = {}
        with tempfile.TemporaryFile("w+", encoding="utf-8") as body:
            comma = ""
            for member in self._members(window, warnings):
                budget.take(_points(member))
                body.write(comma + json.dumps(member, separators=(",", ":")))
                comma = ",\n"
            body.seek(0)
            # Warnings come first, where a reader meets them before a million samples.
            said = json.dumps(list(warnings))
            document.write(
                f'{{"status":"success","warnings":{said},"data":{{"resultType":"matrix","result":['
            )
            shutil.copyfileobj(body, document, _CHUNK_BYTES)
            document.write("]}}")

    def _members(self, window: Window, warnings: dict[str, None]) -> Iterator[Any]:
        with urllib3.PoolManager(
            ssl_context=self._trust(),
            timeout=Timeout(connect=min(10.0, self.timeout_s), read=self.timeout_s),
            retries=Retry(
                2, read=0, status_forcelist=_TRY_LATER, backoff_factor=0.3, raise_on_status=False,
                respect_retry_after_header=False,  # it may say an hour
            ),
        ) as pool:  # fmt: skip
            for query in self.queries:
                for piece in window.pieces(MOST_POINTS):
                    yield from self._answered(pool, query, piece, warnings)

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            msg = f"{self.ca_file} holds no certificates that can be read ({error}); give a PEM file"
            raise InferplanError(msg) from error

    def _answered(
        self, pool: urllib3.PoolManager, query: str, window: Window, warnings: dict[str, None]
    ) -> Iterator[Any]:
        """Yield the series of one query; a server that says it is too much is asked for half the time."""
        with tempfile.TemporaryFile() as spooled:
            try:
                self._ask(pool, query, window, spooled)
            except _TooMuchError:
                if window.points == 1:
                    raise
            else:
                warnings.update(dict.fromkeys(warnings_of(_ends(spooled))))
                spooled.seek(0)
                with TextIOWrapper(spooled, "utf-8", "replace") as text:
                    yield from members(text, "result", f"The answer of {self.title}")
                return
        for half in window.pieces((window.points + 1) // 2):
            yield from self._answered(pool, query, half, warnings)

    def _ask(self, pool: urllib3.PoolManager, query: str, window: Window, spooled: IO[bytes]) -> None:
        asked = {
            "query": query,
            "start": f"{window.start.timestamp():.3f}",
            "end": f"{window.end.timestamp():.3f}",
            "step": str(window.step_s),
        }
        address = _base(self.url).url + _API
        try:
            response = pool.request(
                "GET", address, fields=asked, headers=self._headers(), preload_content=False, redirect=False
            )
            try:
                if response.status != 200:
                    raise self._refusal(response.status, response.headers, response.read(MOST_ERROR_BYTES))
                self._spool(response, spooled)
            finally:
                response.close()
        except HTTPError as error:
            raise SourceSkippedError(self._unreachable(error)) from error

    def _headers(self) -> Mapping[str, str]:
        if self.user is not None:
            return make_headers(basic_auth=f"{self.user}:{self.secret or ''}", accept_encoding=True)
        bearer = {"authorization": f"Bearer {self.secret}"} if self.secret else {}
        return {**make_headers(accept_encoding=True), **bearer}

    def _spool(self, response: urllib3.BaseHTTPResponse, spooled: IO[bytes]) -> None:
        for chunk in response.stream(_CHUNK_BYTES, decode_content=True):
            spooled.write(chunk)
            if spooled.tell() > MOST_ANSWER_BYTES:
                msg = f"{self.title} answers one query with more than {MOST_ANSWER_BYTES >> 30} GiB"
                raise SourceAnswerError(msg)
        if '"status"' not in _ends(spooled):
            raise SourceAnswerError(self._no_prometheus())

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> InferplanError:
        if status in _REFUSED:
            return SourceSkippedError(
                f"{self.title} refuses the credentials (HTTP {status}): check user and password, or the token"
            )
        if 300 <= status < 400:
            place = headers.get("location", "an address it does not name")
            return SourceSkippedError(f"{self.title} redirects to {place[:200]}; give that address instead")
        try:
            said = json.loads(body)
            reason = f"{said['error']} ({said['errorType']}, HTTP {status})"
        except (ValueError, LookupError, TypeError):
            if status in _TRY_LATER:
                return SourceSkippedError(f"{self.title} is busy (HTTP {status}): try again later")
            return SourceAnswerError(f"{self._no_prometheus()} (HTTP {status})")
        kind = _TooMuchError if any(mark in reason for mark in _TOO_MUCH) else SourceAnswerError
        return kind(f"{self.title} refuses the query: {reason[:500]}")

    def _no_prometheus(self) -> str:
        return (
            f"{self.title} answers, but not as Prometheus does: give the address before {_API}, such as "
            "https://prometheus.example:9090"
        )

    def _unreachable(self, error: HTTPError) -> str:
        cause = error.reason if isinstance(error, MaxRetryError) else error
        if isinstance(cause, SSLError):
            return (
                f"{self.title} shows a certificate that is not trusted ({cause}); name your authority's "
                "certificates with --ca-file or SSL_CERT_FILE"
            )
        if isinstance(cause, TimedOutError) and not isinstance(cause, NewConnectionError):
            return f"{self.title} did not answer within {self.timeout_s:g} s: ask for less, or allow more"
        return f"{self.title} cannot be reached or broke off ({type(cause).__name__}): check the address"


def _base(address: str) -> Url:
    """Return the address of the API's root; only plain http and https addresses pass."""
    try:
        found = parse_url(address.strip())
    except LocationParseError:
        found = Url()
    if found.scheme not in ("http", "https") or not found.host:
        msg = f"{address!r} is no address of a server; write http://host:9090 or https://host/path"
        raise InferplanError(msg)
    if found.auth or found.query or found.fragment:
        msg = f"the address of {found.host} holds a user, a query or a fragment: give user and secret apart"
        raise InferplanError(msg)
    path = (found.path or "").removesuffix(_API).rstrip("/")
    return Url(found.scheme, None, found.host, found.port, path or None)


def _ends(spooled: IO[bytes]) -> str:
    """Return the beginning and the end of an answer, where servers put status and warnings."""
    size = spooled.seek(0, SEEK_END)
    spooled.seek(0)
    head = spooled.read(_TAIL_BYTES)
    spooled.seek(max(len(head), size - _TAIL_BYTES))
    tail = spooled.read()
    return (head + tail).decode("utf-8", "replace")


def _points(member: Any) -> int:
    values = member.get("values") if isinstance(member, Mapping) else None
    return len(values) if isinstance(values, list) else 0
