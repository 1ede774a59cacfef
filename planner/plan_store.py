"""Saved plans in the warehouse: every save is a new revision, so that nobody's work is ever overwritten."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import ValidationError

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer, Row
from inferplan.planner.case import Case
from inferplan.planner.plan import AnyPlan, PlanError, canonical_json, read_plan

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor, Warehouse

KEEP_DRAFTS = timedelta(days=90)

_one_at_a_time = Lock()  # one process owns the file, so its threads are all who can save at the same time

_INSERT = """
INSERT INTO plan_revisions
    (plan_id, revision, name, author, saved_at, deleted, model, gpu, digest, document)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """One revision in the list of saved plans, without its content."""

    plan_id: str
    revision: int
    name: str
    author: str
    saved_at: datetime
    """Naive UTC."""
    deleted: bool
    model: str
    """Several in a portfolio, with commas between."""
    gpu: str
    digest: str


class Draft(Row):
    """What a session works on: a case, and the prices pinned by the plan or link that it came from."""

    case: Case
    prices: tuple[Offer, ...] = ()


class PlanConflictError(PlanError):
    """Somebody else saved the plan in the meantime; ``latest`` is their revision."""

    def __init__(self, latest: PlanEntry) -> None:
        """Compose the message from the revision that was there first."""
        self.latest = latest
        done = "deleted" if latest.deleted else "saved"
        super().__init__(
            f'"{latest.name}" was {done} by {latest.author or "somebody else"} on '
            f"{latest.saved_at:%Y-%m-%d at %H:%M} UTC (revision {latest.revision}), after you opened it. "
            "Nothing was overwritten: save yours as a copy, or as the next revision; the history keeps theirs"
        )


def new_id() -> str:
    """Return an id that no other plan or draft has."""
    return uuid4().hex


def save(warehouse: Warehouse, plan: AnyPlan, *, based_on: int = 0, deleted: bool = False) -> PlanEntry:
    """Store ``plan`` as the next revision.

    Parameters
    ----------
    based_on
        Revision that the author saw; 0 for a plan that was never saved.

    Raises
    ------
    PlanConflictError
        If a later revision exists: both stay possible, neither is lost.
    """
    fresh = PlanEntry(
        plan_id=plan.id,
        revision=based_on + 1,
        name=plan.name,
        author=plan.author,
        saved_at=plan.updated_at,
        deleted=deleted,
        model=plan.models,
        gpu=plan.gpus,
        digest=plan.digest,
    )
    insert = [*astuple(fresh), canonical_json(plan)]

    def next_revision(cursor: Cursor) -> bool:
        latest = cursor.execute(
            "SELECT coalesce(max(revision), 0) FROM plan_revisions WHERE plan_id = ?", [plan.id]
        ).fetchone()
        if latest != (based_on,):
            return False
        cursor.execute(_INSERT, insert).fetchall()
        return True

    with _one_at_a_time:
        saved = warehouse.write(next_revision)
    if not saved:
        raise PlanConflictError(entry(warehouse, plan.id))
    return fresh


def entries(warehouse: Warehouse, *, deleted: bool = False) -> tuple[PlanEntry, ...]:
    """Return the latest revision of each plan, last saved first; of the deleted ones if ``deleted``."""
    found = warehouse.rows(
        "SELECT * FROM plans WHERE deleted = ? ORDER BY saved_at DESC, name, plan_id", [deleted]
    )
    return tuple(PlanEntry(*row) for row in found)


def history(warehouse: Warehouse, plan_id: str) -> tuple[PlanEntry, ...]:
    """Return all revisions of a plan, the latest first; empty for an unknown id."""
    found = warehouse.rows(
        "SELECT * EXCLUDE (document) FROM plan_revisions WHERE plan_id = ? ORDER BY revision DESC", [plan_id]
    )
    return tuple(PlanEntry(*row) for row in found)


def entry(warehouse: Warehouse, plan_id: str) -> PlanEntry:
    """Return the latest revision's entry; raises ``PlanError`` for an id that was never saved."""
    found = history(warehouse, plan_id)
    if not found:
        msg = f"there is no saved plan with the id {plan_id!r}; it may be in another database (INFERPLAN_DB)"
        raise PlanError(msg)
    return found[0]


def load(warehouse: Warehouse, plan_id: str, revision: int | None = None) -> AnyPlan:
    """Return a saved plan, by default its latest revision.

    Raises
    ------
    PlanError
        If there is no such plan or revision, it was deleted, or its document cannot be read.
    """
    latest = entry(warehouse, plan_id)
    if revision is None and latest.deleted:
        msg = f'"{latest.name}" was deleted on {latest.saved_at:%Y-%m-%d}; restore it on the page Plans'
        raise PlanError(msg)
    found = warehouse.rows(
        "SELECT document FROM plan_revisions WHERE plan_id = ? AND revision = ?",
        [plan_id, latest.revision if revision is None else revision],
    )
    if not found:
        msg = f'"{latest.name}" has no revision {revision}; the latest is {latest.revision}'
        raise PlanError(msg)
    return read_plan(str(found[0][0]))


def duplicate(warehouse: Warehouse, plan_id: str, *, author: str, at: datetime) -> PlanEntry:
    """Save a copy of a plan under a new id and a name that says so."""
    original = load(warehouse, plan_id)
    names = {known.name for known in entries(warehouse)}
    base = original.name[:100]
    name = next(
        candidate
        for number in range(1, len(names) + 2)
        if (candidate := f"{base} (copy)" if number == 1 else f"{base} (copy {number})") not in names
    )
    data = original.model_dump() | {
        "id": new_id(),
        "name": name,
        "author": author,
        "created_at": at,
        "updated_at": at,
    }
    return save(warehouse, type(original).model_validate(data))


def delete(warehouse: Warehouse, plan_id: str, *, author: str, at: datetime) -> PlanEntry:
    """Take a plan off the list; `restore` brings it back."""
    return _mark(warehouse, plan_id, author=author, at=at, deleted=True)


def restore(warehouse: Warehouse, plan_id: str, *, author: str, at: datetime) -> PlanEntry:
    """Bring a deleted plan back as it was."""
    return _mark(warehouse, plan_id, author=author, at=at, deleted=False)


def save_draft(warehouse: Warehouse, draft_id: str, draft: Draft, *, at: datetime) -> None:
    """Remember what a browser session works on, in place of what it worked on before; old drafts go."""
    document = draft.model_dump_json(exclude_none=True)

    def replace_draft(cursor: Cursor) -> None:
        cursor.execute(
            "INSERT OR REPLACE INTO plan_drafts VALUES (?, ?, ?)", [draft_id, at, document]
        ).fetchall()
        cursor.execute("DELETE FROM plan_drafts WHERE saved_at < ?", [at - KEEP_DRAFTS]).fetchall()

    with _one_at_a_time:
        warehouse.write(replace_draft)


def load_draft(warehouse: Warehouse, draft_id: str) -> Draft | None:
    """Return what the session worked on; ``None`` when nothing is known of it, or not by this version."""
    found = warehouse.rows("SELECT document FROM plan_drafts WHERE draft_id = ?", [draft_id])
    try:
        return Draft.model_validate_json(str(found[0][0])) if found else None
    except (ValidationError, InferplanError):
        return None


def _mark(warehouse: Warehouse, plan_id: str, *, author: str, at: datetime, deleted: bool) -> PlanEntry:
    latest = entry(warehouse, plan_id)
    if latest.deleted == deleted:
        return latest
    plan = load(warehouse, plan_id, latest.revision)
    marked = type(plan).model_validate(
        plan.model_dump() | {"author": author or plan.author, "updated_at": at}
    )
    return save(warehouse, marked, based_on=latest.revision, deleted=deleted)
