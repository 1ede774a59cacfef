"""Names of series as dashboards print them: a metric, a set of labels, a machine, or several of them."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from inferplan.datasets.uploads.metrics import Naming, named, named_in_table
from inferplan.datasets.uploads.values import label_set, sums_up

_NAMED_SET = re.compile(r"^(?P<name>[A-Za-z_:][\w:.]*)?\s*\{(?P<labels>.*)\}$", re.DOTALL)
_GPU_OF_HOST = re.compile(
    r"^(?:(?P<host>\S.*?)[\s:,/|-]+)?gpu[\s:#_-]*(?P<index>\d+)(?:\s*[\[(][^\])]*[\])])?$", re.IGNORECASE
)


class Legend(NamedTuple):
    """What the name of a series says."""

    naming: Naming | None
    labels: Mapping[str, str]
    """As the source calls them."""
    unknown: str | None = None
    """The metric that it names and that we do not use."""


def legend(text: str) -> Legend:
    """Return what ``text`` says; what is neither metric nor GPU is taken for a machine.

    >>> legend('DCGM_FI_DEV_GPU_UTIL{gpu="1"}')
    Legend(naming=Naming(metric='gpu_util_ratio', factor=0.01), labels={'gpu': '1'}, unknown=None)
    >>> legend("node-7 GPU 3").labels, legend("GPU 3").labels
    ({'host': 'node-7', 'gpu': '3'}, {'gpu': '3'})
    """
    text = text.strip()
    if sums_up(text):
        return Legend(None, {}, text)
    if match := _NAMED_SET.match(text):
        labels = label_set(match["labels"])
        naming = named(match["name"], tuple(labels.items())) if match["name"] else None
        return Legend(naming, labels, match["name"] if match["name"] and naming is None else None)
    if naming := named_in_table(text):
        return Legend(naming, {})
    if gpu := _GPU_OF_HOST.match(text):
        return Legend(
            None, {key: value for key, value in (("host", gpu["host"]), ("gpu", gpu["index"])) if value}
        )
    return Legend(None, {"host": text})


def is_labelled(text: str) -> bool:
    """Return whether ``text`` ends in a set of labels, as only names of series do."""
    return _NAMED_SET.match(text.strip()) is not None
