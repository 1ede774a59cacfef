"""A plan: a case or a portfolio with a name, notes and the prices it was made with, as a lasting document.

The document is canonical JSON, so that equal plans have equal digests on every machine. Every input is
written out, defaults too: a default that changes in a later version changes no plan. Results are not stored;
they are recomputed from the inputs and the pinned prices.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer, Row
from inferplan.planner.case import Case
from inferplan.planner.offer_search import Search
from inferplan.planner.portfolio import Portfolio

SCHEMA_VERSION = 1
DIGEST = "digest"
MAX_DOCUMENT_CHARACTERS = 4 * 1024**2
MAX_NAME_CHARACTERS = 120

UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each older schema version, the function that turns its document into the next version's."""


class PlanError(InferplanError):
    """A plan that cannot be read, saved or shared; the message says why and what to do."""


def _naive_utc(moment: datetime) -> datetime:
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.replace(microsecond=0)


def _without_margins(text: str) -> str:
    return " ".join(text.split())


def _plan_name(text: str) -> str:
    name = _without_margins(text)
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        msg = f"a plan's name has 1 to {MAX_NAME_CHARACTERS} characters, this one has {len(name)}"
        raise ValueError(msg)
    return name


Moment = Annotated[datetime, AfterValidator(_naive_utc)]
Name = Annotated[str, AfterValidator(_plan_name)]


class _SavedByName(Row):
    """The prices used with their dates, and who said so when (naive UTC, whole seconds)."""

    schema_version: Annotated[int, Field(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)] = SCHEMA_VERSION
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    name: Name
    notes: Annotated[str, Field(max_length=10_000)] = ""
    author: Annotated[str, AfterValidator(_without_margins), Field(max_length=120)] = ""
    created_at: Moment
    updated_at: Moment
    prices: tuple[Offer, ...] = ()
    """Offers as they were observed when the plan was made; each carries its date, source and conditions."""

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(_dump(self.model_dump(exclude_none=True)).encode()).hexdigest()


class Plan(_SavedByName):
    """One deployment under one load."""

    case: Case

    @property
    def models(self) -> str:
        """Name of the model, for lists."""
        return self.case.model or "uploaded config"

    @property
    def gpus(self) -> str:
        """Name of the GPU, for lists."""
        return self.case.gpu

    def price(self) -> Offer | None:
        """Return the pinned price of the offer that the case names, if both are there."""
        return next((offer for offer in self.prices if offer.offer_id == self.case.offer), None)


class FleetPlan(_SavedByName):
    """Several models that share a stream of requests, and where machines for them were looked for.

    The prices are those of the machines that were found, and of the ones that each model would take alone.
    """

    portfolio: Portfolio
    search: Search = Search()
    priced_on: date
    """Day on which the machines were chosen: prices that were old by then count only where no others are."""

    @property
    def models(self) -> str:
        """Names of the models, for lists."""
        return ", ".join(
            dict.fromkeys(member.case.model or "uploaded config" for member in self.portfolio.members)
        )

    @property
    def gpus(self) -> str:
        """Names of the GPUs priced, for lists."""
        return ", ".join(dict.fromkeys(offer.gpu for offer in self.prices))


AnyPlan = Plan | FleetPlan


def canonical_json(plan: AnyPlan) -> str:
    """Return the one JSON text of ``plan``: keys sorted, no spaces, money as decimal text, absent left out.

    Raises
    ------
    PlanError
        If an inline config holds a number that JSON cannot say (NaN or infinity).
    """
    return _dump(plan.model_dump(exclude_none=True))


def plan_file(plan: AnyPlan) -> str:
    """Return ``plan`` as a file for people to keep: indented JSON that carries its own digest."""
    document = json.loads(canonical_json(plan))
    return json.dumps({**document, DIGEST: plan.digest}, indent=2, ensure_ascii=False) + "\n"


def read_plan(text: str | bytes) -> AnyPlan:
    """Return the plan in a document, whatever schema version wrote it.

    Raises
    ------
    PlanError
        If it is no plan, of a newer version, incomplete, or not the text that its digest was taken of.
    """
    document = _parse(text)
    stated = document.pop(DIGEST, None)
    if stated is not None and stated != hashlib.sha256(_dump(document).encode()).hexdigest():
        msg = (
            "this plan was changed after it was exported: its content does not match its digest. Export it "
            f'again, or delete the line "{DIGEST}" from the file to take it as it is'
        )
        raise PlanError(msg)
    try:
        upgraded = _upgraded(document)
        return (FleetPlan if "portfolio" in upgraded else Plan).model_validate(upgraded)
    except ValidationError as error:
        problems = (
            f"{'.'.join(map(str, found['loc']))}: {found['msg'].removeprefix('Value error, ')}"
            for found in error.errors()[:5]
        )
        msg = f"this plan cannot be read: {'; '.join(problems)}"
        raise PlanError(msg) from None
    except PlanError:
        raise
    except InferplanError as error:
        msg = f"this plan cannot be read: {error}"
        raise PlanError(msg) from None


def _parse(text: str | bytes) -> dict[str, Any]:
    if len(text) > MAX_DOCUMENT_CHARACTERS:
        msg = f"this file is larger than {MAX_DOCUMENT_CHARACTERS // 1024**2} MiB, which no plan is"
        raise PlanError(msg)
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        msg = f"this is not a plan exported by Inferplan: it is not JSON ({error})"
        raise PlanError(msg) from None
    if not isinstance(document, dict) or not isinstance(document.get("schema_version"), int):
        msg = 'this is not a plan exported by Inferplan: a plan is a JSON object with a "schema_version"'
        raise PlanError(msg)
    return document


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    version = document["schema_version"]
    if version > SCHEMA_VERSION:
        msg = (
            f"this plan has schema version {version}, made by a newer Inferplan; this one reads versions up "
            f"to {SCHEMA_VERSION}. Upgrade with: pip install --upgrade inferplan"
        )
        raise PlanError(msg)
    while version < SCHEMA_VERSION:
        if version not in UPGRADES:
            msg = f"this plan has schema version {version}, which no version of Inferplan wrote"
            raise PlanError(msg)
        document = UPGRADES[version](document)
        version = document["schema_version"]
    return document


def _dump(document: Mapping[str, Any]) -> str:
    try:
        return json.dumps(
            document,
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
            default=_plain,
        )
    except ValueError:
        msg = "this plan holds NaN or an infinite number, which JSON cannot say; correct the model's config"
        raise PlanError(msg) from None


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    msg = f"a plan holds {type(value).__name__}, which its JSON has no form for"
    raise TypeError(msg)


def _refuse_constant(name: str) -> None:
    msg = f"{name} is no JSON number"
    raise ValueError(msg)
