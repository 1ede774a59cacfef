"""What a reader of an export yields, what it may be told, and how it keeps count."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Row

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from inferplan.datasets.uploads.fields import RecordField
    from inferplan.datasets.uploads.roles import Roles
    from inferplan.datasets.uploads.scanning import Table

SHOWN_PROBLEMS = 20
MISSING_FROM = 140737488355328.0  # DCGM's smallest "blank" (dcgm_structs.h); int64's are larger


class ReadOptions(Row):
    """What a file does not say about itself; ``None`` is "not told"."""

    time_zone: str | None = None
    """IANA name of the zone of times that carry none, for example ``Europe/Berlin``."""
    start: datetime | None = None
    """Time of the first sample, for a file without times."""
    interval_s: float | None = None
    """Seconds between samples, for a file without times."""
    date_order: Literal["day first", "month first"] | None = None
    """How dates such as 05/04/2024 are meant."""
    elapsed_unit: Literal["s", "ms"] | None = None
    """Unit of times that count from ``start``."""
    metric: str | None = None
    """Canonical metric of values whose column does not name one."""
    host: str | None = None
    """Machine that a file without machine names is of."""
    columns: dict[str, str] | None = None
    """Column of the file (name, or number from 0) -> what it is: ``time``, a label or a metric.

    ``None`` takes what was said of such a header before, an empty mapping forgets it.
    """
    file_name: str | None = None
    """Name to show, where the path is a temporary one."""
    member: str | None = None
    """File of a zip archive that holds several."""


class Question(NamedTuple):
    """Something that only the user can say, as a field of ``ReadOptions``."""

    option: str
    text: str
    choices: tuple[str, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    """Of a question about columns: each as the answer names it, and what it is taken to mean."""


class NeedsAnswerError(InferplanError):
    """The file cannot be read before a question is answered."""

    def __init__(self, *questions: Question) -> None:
        """Keep the ``questions`` for a page to ask."""
        self.questions = questions
        super().__init__(" ".join(f"{question.text} (option {question.option})" for question in questions))


class UnreadableError(InferplanError):
    """The file is broken, hostile or of no format that we know."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Where a series was measured; ``None`` is "not said"."""

    gpu_uuid: str | None = None
    gpu_index: str | None = None
    gpu_name: str | None = None
    mig_id: str | None = None
    mig_profile: str | None = None
    host: str | None = None
    instance_id: str | None = None
    instance_type: str | None = None
    namespace: str | None = None
    pod: str | None = None
    container: str | None = None
    endpoint: str | None = None
    engine: str | None = None
    model: str | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One metric at one place."""

    metric: str
    labels: Labels
    variant: str = ""
    """Tells apart series that share metric and place, for example by the reason that requests finished."""


class Batch(NamedTuple):
    """Samples of one series in the file's order, in the metric's unit."""

    series: Series
    times_us: "Sequence[int] | npt.NDArray[np.int64]"
    """Microseconds since 1970, UTC."""
    values: "Sequence[float] | npt.NDArray[np.float64]"
    interval_s: float | None = None
    """Of a counter whose values are increases over so many seconds each; otherwise they are readings."""


class Histograms(NamedTuple):
    """Series whose samples were counted by value elsewhere."""

    series: Sequence[Series]
    samples: "npt.NDArray[np.int64]"
    """Of each series, as the three that follow."""
    first_us: "npt.NDArray[np.int64]"
    last_us: "npt.NDArray[np.int64]"
    step_s: "npt.NDArray[np.int64]"
    bins: "Iterator[pd.DataFrame]"
    """Pieces: ``series`` (its place in it), ``bucket``, ``samples``, ``seconds``, ``low``, ``high``."""


class SampleTable(NamedTuple):
    """A table whose samples the database reads itself."""

    table: "Table"
    roles: "Roles"
    """What its columns are."""
    options: ReadOptions

    @property
    def names_metrics(self) -> bool:
        """Whether each row names its metric."""
        return self.roles.metric_name is not None and not self.roles.is_request_log

    @property
    def keys(self) -> list[str]:
        """Columns whose texts say what a row's values are of."""
        roles = self.roles
        return [*roles.labels, *(one for one in (roles.metric_name, roles.unit, roles.label_set) if one)]


class Target(NamedTuple):
    """A kind of record that some rows of a table are."""

    kind: "type[BillLine | Allocation]"
    needed: tuple[str, ...]
    """What must be said of each where it matters."""
    columns: Mapping[str, str]
    """Column of the record -> SQL, where it is not what the field of its name says."""
    rows: str = "true"
    """SQL that is true or false of every row: whether it is such a record."""
    matters: Mapping[str, str] = MappingProxyType({})
    """What fields say -> SQL of the rows in which it matters whether it can be read, if not in all."""
    note: str | None = None
    """What the report says where there are such rows."""


class RecordTable(NamedTuple):
    """A table of whose rows the database makes records itself."""

    table: "Table"
    fields: "Sequence[RecordField]"
    targets: Sequence[Target]


class BillLine(Row):
    """A line of a bill; money is exact, ``None`` is "not stated"."""

    line: int
    """Of the file, if no line is blank or in two, else counted in rows."""
    period_start: datetime
    period_end: datetime
    charge_category: str
    charge_class: str | None = None
    commitment_status: str | None = None
    """``used`` or ``unused`` where a commitment is concerned."""
    commitment_id: str | None = None
    description: str | None = None
    service: str | None = None
    region: str | None = None
    resource_id: str | None = None
    resource_name: str | None = None
    instance_type: str | None = None
    gpu_count: float | None = None
    """GPUs of the machine."""
    service_category: str | None = None
    """Kind of service, or family of the machine, as the provider calls it."""
    quantity: Decimal | None = None
    quantity_unit: str | None = None
    billed_cost: Decimal
    effective_cost: Decimal
    list_cost: Decimal | None = None
    contracted_cost: Decimal | None = None
    currency: str
    account: str | None = None
    team: str | None = None
    tags: dict[str, Any] = Field(default_factory=dict)


class Allocation(Row):
    """Cost that a Kubernetes cost tool gives to a workload for a day or window."""

    line: int
    period_start: datetime
    period_end: datetime
    cluster: str | None = None
    node: str | None = None
    namespace: str | None = None
    controller: str | None = None
    pod: str | None = None
    container: str | None = None
    team: str | None = None
    is_idle: bool = False
    gpu_hours: float | None = None
    gpu_usage_ratio: float | None = None
    gpu_cost: Decimal | None = None
    total_cost: Decimal


class Advice(Row):
    """What another rightsizer recommends, kept beside ours."""

    line: int
    tool: str
    resource: str
    resource_id: str | None = None
    resource_type: str
    finding: str
    """``over``, ``under``, ``optimized``, ``idle``, ``undecided`` or ``error``."""
    current: str | None = None
    recommended: str | None = None
    risk: str | None = None
    lookback_days: float | None = None
    savings_usd_per_month: Decimal | None = None
    detail: dict[str, Any] = Field(default_factory=dict)


Item = Batch | SampleTable | RecordTable | Histograms | BillLine | Allocation | Advice
Items = Iterator[Item]


class Problem(NamedTuple):
    """A part of the file that was refused."""

    line: int | None
    reason: str


@dataclass
class Tally:
    """Running count of what became of the file's rows."""

    rows_read: int = 0
    rows_refused: int = 0
    values_missing: int = 0
    problems: list[Problem] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    """Names that we do not use, with how often they came."""
    notes: dict[str, None] = field(default_factory=dict)
    """Things said once, in order."""

    def refuse(self, line: int | None, reason: str, rows: int = 1) -> None:
        """Count refused rows; the first ones are kept with their reason."""
        self.rows_refused += rows
        if len(self.problems) < SHOWN_PROBLEMS:
            self.problems.append(Problem(line, reason))

    def note(self, text: str) -> None:
        """Say something once in the report."""
        self.notes[text] = None
