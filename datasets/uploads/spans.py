"""What requests took, where a log has the times of their start, first token and end instead."""

from dataclasses import replace
from string import Template

from inferplan.datasets.uploads.metrics import Naming, plain
from inferplan.datasets.uploads.roles import Roles
from inferplan.datasets.uploads.scanning import Table
from inferplan.datasets.uploads.wording import column_text, quoted

_ENDINGS = {
    **dict.fromkeys(("endtime", "endedat", "finishedat", "completedat", "responsecreatedat"), "e2e_s"),
    **dict.fromkeys(("completionstarttime", "firsttokenat", "firsttokentime"), "ttft_s"),
}
"""Plain name of a column of times -> what has passed then since the request began."""
_SPANNED = Template("(SELECT *, $spans FROM $source)")
_SPAN = Template("epoch(TRY_CAST($end AS TIMESTAMPTZ)) - epoch(TRY_CAST($start AS TIMESTAMPTZ)) AS $name")


def with_spans(table: Table, roles: Roles) -> tuple[Table, Roles]:
    """Return a log of requests with columns of latencies, by the times in it; any other table as it is."""
    if not roles.is_request_log:
        return table, roles
    measured = {naming.metric for naming in roles.metrics.values()}
    ends: dict[str, str] = {}
    for column in table.names:
        metric = _ENDINGS.get(plain(column))
        if metric and metric not in measured | set(ends):
            ends[metric] = column
    if not ends:
        return table, roles
    names = {metric: f"{column} - {roles.time}" for metric, column in ends.items()}
    spans = (
        _SPAN.substitute(start=column_text(roles.time), end=column_text(column), name=quoted(names[metric]))
        for metric, column in ends.items()
    )
    for column in ends.values():
        del table.tally.ignored[column]
    table.tally.note("Latencies are the distances of " + ", ".join(names.values()) + ".")
    source = _SPANNED.substitute(spans=", ".join(spans), source=table.source)
    metrics = {**roles.metrics, **{name: Naming(metric, 1.0) for metric, name in names.items()}}
    return replace(table, source=source, names=[*table.names, *names.values()]), replace(
        roles, metrics=metrics
    )
