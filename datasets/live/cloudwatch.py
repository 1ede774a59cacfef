"""Usage from Amazon CloudWatch: ListMetrics says what there is, GetMetricData what was measured.

What CloudWatch keeps for how long: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
cloudwatch_concepts.html, metrics retention.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any, NamedTuple

from inferplan.datasets.aws.clients import client, explained, known_region, part
from inferplan.datasets.aws.credentials import missing_credentials
from inferplan.datasets.errors import InferplanError, SourceAnswerError, SourceSkippedError
from inferplan.datasets.live.window import Budget, Window

STATISTICS = ("Maximum", "Average")
_KEPT = ((timedelta(days=15), 60), (timedelta(days=63), 300), (timedelta(days=455), 3600))
"""Up to which age values of which step, in seconds, are kept (see above)."""
_QUERIES_AT_ONCE = 500  # most MetricDataQueries of one GetMetricData request (botocore's model)
_SAID = ("InstanceId", "InstanceType", "uuid", "index", "host")
"""Dimensions whose values tell a reader of the label where something was measured."""
_LIST, _GET = "cloudwatch:ListMetrics", "cloudwatch:GetMetricData"


class _Metric(NamedTuple):
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """Return the metric and its place in words, as the reader of ``cloudwatch-json`` takes them."""
        said = dict(self.dimensions)
        return " ".join((self.name, *(said[name] for name in _SAID if name in said)))


@dataclass(frozen=True)
class CloudWatch:
    """A region and the metrics to ask for, each as namespace and name."""

    metrics: tuple[tuple[str, str], ...]
    region: str | None = None
    """As configured for the AWS CLI where it is not given."""
    statistic: str = STATISTICS[0]
    """Of each step; averages flatten the peaks."""

    @property
    def title(self) -> str:
        """Service and region."""
        return f"CloudWatch {known_region(self.region)}"

    def write(self, window: Window, document: IO[str], budget: Budget) -> None:
        """Write every series as one answer of GetMetricData.

        Raises
        ------
        SourceSkippedError
            Without credentials, rights or network, with the reason.
        SourceAnswerError
            If AWS answers with something unreadable.
        """
        self._check(window)
        if reason := missing_credentials():
            raise SourceSkippedError(reason)
        api = client("cloudwatch", known_region(self.region))
        found = [
            metric for namespace, name in self.metrics for metric in _most_detailed(api, namespace, name)
        ]
        document.write('{"MetricDataResults":[')
        comma = ""
        for start in range(0, len(found), _QUERIES_AT_ONCE):
            for result in self._results(api, found[start : start + _QUERIES_AT_ONCE], window):
                budget.take(len(result["Values"]))
                document.write(comma + json.dumps(result))
                comma = ",\n"
        document.write("]}")

    def _check(self, window: Window) -> None:
        if self.statistic not in STATISTICS:
            msg = f"{self.statistic!r} is no statistic that is pulled; choose {' or '.join(STATISTICS)}"
            raise InferplanError(msg)
        age = datetime.now(UTC) - window.start
        needed = next((step for kept, step in _KEPT if age <= kept + timedelta(seconds=window.step_s)), None)
        if needed is None:
            msg = f"CloudWatch keeps nothing for longer than {_KEPT[-1][0].days} days; ask for less time"
            raise InferplanError(msg)
        if window.step_s % needed:
            msg = (
                f"{age.days} days back CloudWatch keeps values of {needed} s: take a step of {needed} s or a "
                f"multiple of it (found {window.step_s} s)"
            )
            raise InferplanError(msg)

    def _results(self, api: Any, metrics: Sequence[_Metric], window: Window) -> Iterator[Mapping[str, Any]]:
        queries = [
            {
                "Id": f"m{at}",
                "Label": metric.label,
                "MetricStat": {
                    "Metric": {
                        "Namespace": metric.namespace,
                        "MetricName": metric.name,
                        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
                    },
                    "Period": window.step_s,
                    "Stat": self.statistic,
                },
            }
            for at, metric in enumerate(metrics)
        ]
        pages = api.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries,
            StartTime=window.start,
            EndTime=window.end + timedelta(seconds=window.step_s),  # the end is excluded
            ScanBy="TimestampAscending",
        )
        with explained(_GET):
            for page in pages:
                yield from _of_page(page)


def _of_page(page: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if messages := page.get("Messages"):
        msg = f"CloudWatch did not answer whole: {messages[0].get('Value', messages[0])}"
        raise SourceAnswerError(msg)
    for result in part(page, "MetricDataResults", _GET):
        status = result.get("StatusCode", "Complete")
        if status in ("Forbidden", "InternalError"):
            msg = f"CloudWatch answers {result.get('Label')!r} with {status}; nothing was imported"
            raise SourceAnswerError(msg)
        continued = status == "PartialData" and "NextToken" in page
        yield {
            "Id": result["Id"],
            "Label": result["Label"],
            "Timestamps": [at.astimezone(UTC).isoformat() for at in result["Timestamps"]],
            "Values": result["Values"],
            "StatusCode": "Complete" if continued else status,
        }


def _most_detailed(api: Any, namespace: str, name: str) -> list[_Metric]:
    """Return the series called ``name``, without those that sum up others of it.

    The agent also publishes roll-ups, whose dimensions are a part of the dimensions of each series in them.
    """
    listed: dict[frozenset[tuple[str, str]], _Metric] = {}
    with explained(_LIST):
        for page in api.get_paginator("list_metrics").paginate(Namespace=namespace, MetricName=name):
            for metric in part(page, "Metrics", _LIST):
                pairs = tuple((one["Name"], one["Value"]) for one in metric.get("Dimensions", ()))
                listed[frozenset(pairs)] = _Metric(namespace, name, pairs)
    by_names: dict[frozenset[str], list[frozenset[tuple[str, str]]]] = defaultdict(list)
    for dimensions in listed:
        by_names[frozenset(name for name, _ in dimensions)].append(dimensions)
    rolled_up = {
        frozenset(pair for pair in detailed if pair[0] in names)
        for names in by_names
        for others, group in by_names.items()
        if names < others
        for detailed in group
    }
    return [listed[dimensions] for dimensions in sorted(listed.keys() - rolled_up, key=sorted)]
