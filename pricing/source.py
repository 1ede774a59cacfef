"""What a price source is, and what it brings: quotes that are checked before they count."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Protocol

from inferplan.datasets.errors import SourceAnswerError as SourceAnswerError
from inferplan.datasets.errors import SourceSkippedError as SourceSkippedError


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn what goes wrong while taking an answer apart into the statement that ``what`` is unreadable."""
    try:
        yield
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        msg = (
            f"{what} cannot be read ({type(error).__name__}: {str(error)[:200]}). Nothing was changed; "
            "try again later."
        )
        raise SourceAnswerError(msg) from error


@dataclass(frozen=True, slots=True)
class Quote:
    """A price as a source states it, before any check: names may be unknown and prices nonsense."""

    provider: str
    instance_type: str
    gpu: str
    """Any name of the accelerator: the catalog's, an alias or a driver's."""
    gpu_count: float
    region: str
    purchase_option: str
    usd_per_hour: Decimal | None
    """Price of the whole instance; ``None`` needs a ``no_price_reason``."""
    observed_on: date
    date_basis: str
    """How the date is known."""
    source: str
    """Where the price can be looked up."""
    vcpus: float | None = None
    memory_gib: float | None = None
    notes: str = ""
    no_price_reason: str | None = None
    price_covers: str = "machine"
    where: str = ""
    """Place in the source for messages: a row, a SKU."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Everything a source had to say about a scope of offers."""

    quotes: Sequence[Quote]
    regions: frozenset[str] | None = None
    """Regions that were asked completely, ``None`` for all: an offer missing there is gone."""
    notes: tuple[str, ...] = ()
    digest: str | None = field(default=None)
    """Fingerprint of a snapshot: one that was read before need not be read again."""


class PriceSource(Protocol):
    """A module of ``pricing/sources`` or an object behind an entry point ``inferplan.price_sources``."""

    name: str
    """What ``inferplan prices refresh --source`` takes."""
    title: str

    def skipped(self) -> str | None:
        """Return why the source cannot be asked here, ``None`` when it can; never waits for a network."""

    def fetch(self, region: str | None = None) -> Fetched:
        """Return the quotes of ``region``, without one of the source's default scope.

        Raises
        ------
        SourceSkippedError
            When the source cannot be asked, with the reason.
        """
