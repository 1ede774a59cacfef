"""What each column of a table is: by its name, or as the user says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.uploads.gathering import told_metric
from inferplan.datasets.uploads.metrics import (
    IN_MS,
    METRICS,
    OF_REQUESTS,
    Naming,
    named_in_table,
    plain,
    said_metric,
)
from inferplan.datasets.uploads.reading import Labels, NeedsAnswerError, Question, ReadOptions
from inferplan.datasets.uploads.values import known_label, preference

_TIMES = {
    "time", "timestamp", "datetime", "date", "ts", "measuredat", "at", "startedat", "starttime", "createdat",
    "created", "requestcreatedat", "arrivedat", "arrivaltime", "arrivaltimestamp", "eventtime", "timestart",
}  # fmt: skip
_TIME_ENDING = re.compile(r"(utc|gmt|iso|epoch|unix|ms|us|ns|s)$")
_OF_UTC = re.compile(r"(utc|gmt)$")
_CLOCKS = {"time", "clock", "timeofday"}
_METRIC_NAMES = {"metric", "metricname", "series", "field", "measurement"}
_VALUES = {"value", "val"}
_UNITS = {"unit", "units"}
_WITHIN = re.compile(
    r"^(?:(?:labels?|tags?|metrics?|values|readings|dimensions|attributes|fields|resource)\.)+", re.IGNORECASE
)
_INPUTS = {
    "inputtokens", "prompttokens", "contexttokens", "inputlength", "prompttokencount", "tokensin",
    "requesttokens", "inputtokencount", "numinputtokens", "numprompttokens", "numprefilltokens",
    "promptlength", "promptsize", "promptlen", "inputlen", "inputusage", "usageinput", "usageprompttokens",
    "usageinputtokens", "usagedetailsinput", "tokensprompt",
}  # fmt: skip
_OUTPUTS = {
    "outputtokens", "completiontokens", "generatedtokens", "outputlength", "generationtokens", "tokensout",
    "responsetokens", "outputtokencount", "numoutputtokens", "numcompletiontokens", "numgeneratedtokens",
    "numdecodetokens", "completiontokencount", "tokensize", "outputlen", "outputusage", "usageoutput",
    "usagedetailsoutput", "tokenscompletion", "usagecompletiontokens", "usageoutputtokens",
}  # fmt: skip
_REQUESTS = {
    "requests", "numrequests", "nummodelrequests", "modelrequests", "requestcount", "requestscount",
    "nrequests", "totalrequests", "numberofrequests", "successfulrequests", "apirequests", "calls",
    "numcalls", "apicalls",
}  # fmt: skip
"""What aggregated usage calls how many requests a row adds up."""
_LATENCIES = {
    "ttft": "ttft", "timetofirsttoken": "ttft", "firsttoken": "ttft", "firsttokenlatency": "ttft",
    "tpot": "tpot", "timeperoutputtoken": "tpot", "timepertoken": "tpot", "itl": "tpot",
    "intertokenlatency": "tpot", "e2e": "e2e", "e2elatency": "e2e", "endtoendlatency": "e2e",
    "latency": "e2e", "requestlatency": "e2e", "totallatency": "e2e", "duration": "e2e",
    "requestduration": "e2e", "responsetime": "e2e", "delay": "e2e", "elapsed": "e2e", "elapsedtime": "e2e",
}  # fmt: skip
_SECONDS = re.compile(r"(milliseconds|millis|ms|seconds|secs|sec|s)$")
_LABEL_SETS = {"labels", "tags", "tagset", "labelset", "metriclabels", "dimensions", "attributes"}
ROLES = (
    "time", "clock", "metric_name", "value", "unit", "label_set", "input_tokens", "output_tokens", "ignore",
    *IN_MS,
)  # fmt: skip


@dataclass(frozen=True)
class Roles:
    """Columns by what they are."""

    time: str
    labels: Mapping[str, str] = field(default_factory=dict)
    """Column -> field of ``Labels``."""
    metrics: Mapping[str, Naming] = field(default_factory=dict)
    clock: str | None = None
    """Column of the time of day, where ``time`` holds only the day."""
    metric_name: str | None = None
    value: str | None = None
    unit: str | None = None
    """Column of the unit of ``value``."""
    label_set: str | None = None
    """Column of which each cell holds several labels with their names."""
    input_tokens: str | None = None
    output_tokens: str | None = None
    sums_requests: str | None = None
    """Column that counts the requests of a row: one that has it is no single request."""
    without_unit: tuple[str, ...] = ()
    """Columns that are latencies by name, in seconds or milliseconds: they do not say."""

    @property
    def is_request_log(self) -> bool:
        """Whether a row is one request."""
        measured = {naming.metric for naming in self.metrics.values()}
        return bool(self.tokens) and not self.value and measured <= OF_REQUESTS.keys()

    @property
    def tokens(self) -> tuple[str, ...]:
        """Columns that count the tokens of a request."""
        return tuple(name for name in (self.input_tokens, self.output_tokens) if name)

    @property
    def time_is_utc(self) -> bool:
        """Whether the name of the time's column says that its times are UTC."""
        return bool(_OF_UTC.search(plain(self.time)))

    def knows(self, name: str) -> bool:
        """Return whether something is said of a column, be it that it lacks a unit."""
        return name in self.used or name in self.without_unit

    @property
    def used(self) -> tuple[str, ...]:
        """Columns that are read, in a fixed order."""
        single = (
            self.time, self.clock, self.metric_name, self.value, self.unit, self.label_set,
            self.input_tokens, self.output_tokens,
        )  # fmt: skip
        columns = (*(name for name in single if name), *self.labels, *self.metrics)
        return tuple(dict.fromkeys(columns))


def assign(names: Sequence[str], options: ReadOptions, first_row: Sequence[str] = ()) -> Roles:
    """Return the roles of the columns ``names``; ``first_row`` is shown where there are no names.

    Raises
    ------
    NeedsAnswerError
        If no column is known to be the time, or none a measurement.
    UnknownNameError
        If the user gave a column a role that there is not.
    """
    given = _given(names, options)
    roles = {name: given.get(name) or _guess(name) for name in names}
    first = {role: name for name, role in reversed(roles.items())}
    day, clock = _day_and_clock([name for name, role in roles.items() if role == "time"])
    found = Roles(
        time=day,
        clock=first.get("clock", clock),
        labels=preferred({name: role for name, role in roles.items() if role in _LABELS}),
        metrics={
            name: _naming(name, role, is_given=name in given)
            for name, role in _first_of_each(
                {name: role for name, role in roles.items() if role not in _LABELS and said_metric(role)}
            ).items()
        },
        metric_name=first.get("metric_name"),
        value=first.get("value"),
        unit=first.get("unit"),
        label_set=first.get("label_set"),
        sums_requests=next((name for name in names if name not in given and plain(name) in _REQUESTS), None),
        input_tokens=first.get("input_tokens"),
        output_tokens=first.get("output_tokens"),
        without_unit=tuple(
            name for name, role in roles.items() if role == "ignore" and plain(name) in _LATENCIES
        ),
    )
    if found.value and not (found.metric_name or found.metrics or found.tokens):
        found = replace(found, metrics={found.value: told_metric(options.metric)})
    measured = found.metrics or found.is_request_log or (found.metric_name and found.value)
    unknown = {name for name, role in roles.items() if role == "ignore"} - given.keys()
    counts_rounds = found.metrics and (
        (options.start and options.interval_s) or not unknown  # else one may be the time
    )
    if not measured or not (found.time or counts_rounds):
        raise NeedsAnswerError(*_questions(first_row or names, roles, bool(found.time)))
    return found


_LABELS = frozenset(Labels.__dataclass_fields__)


def preferred(labels: Mapping[str, str]) -> dict[str, str]:
    """Return columns of ``labels`` (column -> field of ``Labels``), of several for one field the best."""
    return _first_of_each({name: labels[name] for name in sorted(labels, key=preference)})


def is_time(name: str) -> bool:
    """Return whether a column of this name holds times."""
    folded = plain(name)
    return folded in _TIMES or _TIME_ENDING.sub("", folded) in _TIMES


def _day_and_clock(times: Sequence[str]) -> tuple[str, str | None]:
    """Return the column of the time, and that of the time of day where the first says only the day."""
    if len(times) > 1 and plain(times[0]) == "date" and plain(times[1]) in _CLOCKS:
        return times[0], times[1]
    return (times[0] if times else ""), None


def _first_of_each(roles: Mapping[str, str]) -> dict[str, str]:
    """Keep the first column of each role."""
    taken: set[str] = set()
    kept = {}
    for name, role in roles.items():
        if role not in taken:
            taken.add(role)
            kept[name] = role
    return kept


def _naming(name: str, role: str, *, is_given: bool) -> Naming:
    """Return metric and factor of a column; the values decide where neither name nor user say the unit."""
    return (None if is_given else named_in_table(name)) or told_metric(role)


def _given(names: Sequence[str], options: ReadOptions) -> dict[str, str]:
    """Return what the user said, with columns by name; a number is a column's place from 0."""
    found = {}
    for column, role in (options.columns or {}).items():
        if role not in ROLES and role not in _LABELS and said_metric(role) is None:
            raise UnknownNameError("meaning of a column", role, (*ROLES, *sorted(_LABELS), *METRICS))
        if column in names:
            found[column] = role
        elif column.isdigit() and int(column) < len(names):
            found[names[int(column)]] = role
        else:
            raise UnknownNameError("column", column, names)
    return found


def _guess(name: str) -> str:
    name = _WITHIN.sub("", name)
    folded = plain(name)
    if is_time(name):
        return "time"
    if folded in _INPUTS:
        return "input_tokens"
    if folded in _OUTPUTS:
        return "output_tokens"
    if folded in _METRIC_NAMES or name.strip() == "__name__":
        return "metric_name"
    if folded in _VALUES:
        return "value"
    if folded in _UNITS:
        return "unit"
    if folded in _LABEL_SETS:
        return "label_set"
    naming = named_in_table(name)
    if naming is not None:
        return naming.metric
    if unit := _SECONDS.search(folded):
        latency = _LATENCIES.get(folded.removesuffix(unit[0]))
        if latency:
            return f"{latency}_ms" if unit[0].startswith("m") else f"{latency}_s"
    return known_label(name) or "ignore"


def _questions(shown_as: Sequence[str], roles: Mapping[str, str], has_time: bool) -> tuple[Question, ...]:
    missing = "what it measures" if has_time else "which column is the time"
    shown = ", ".join(f"{place}: {name}" for place, name in enumerate(shown_as[:12]))
    of_columns = Question(
        "columns",
        f"The table does not say {missing}. Its columns are {shown}. Say for each what it is: time, a metric "
        "such as gpu_util_ratio or fb_used_bytes, or a label such as gpu_index or host.",
        (*ROLES, *sorted(_LABELS), *METRICS),
        tuple(roles.items()),
    )
    return (of_columns,) if has_time else (of_columns, *_WITHOUT_TIME)


_WITHOUT_TIME = (
    Question("start", "Where no column is a time: when was the first row measured (UTC unless said)?"),
    Question("interval_s", "Where no column is a time: how many seconds lie between two rows?"),
)
