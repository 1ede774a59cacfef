"""What the label cells of a table's row say: where its values were measured and, in a long table, what."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from inferplan.datasets.uploads.gathering import in_told_unit, in_unit
from inferplan.datasets.uploads.legends import legend
from inferplan.datasets.uploads.metrics import Naming
from inferplan.datasets.uploads.reading import Labels, SampleTable, Series
from inferplan.datasets.uploads.values import label_pairs, labels_of, sums_up, variant_of, with_gpu


class Placed(NamedTuple):
    """Where the values of some rows belong."""

    key: Labels | Series
    naming: Naming | None = None
    """Of the metric that rows of a long table name."""


def placed(said: Mapping[str, str], table: SampleTable) -> Placed | str:
    """Return where rows belong, by what their label cells ``said``, or the name of what is not used."""
    roles, tally = table.roles, table.table.tally
    own = with_gpu({role: said[column] for column, role in roles.labels.items() if said[column]})
    if whole := next((text for text in own.values() if sums_up(text)), None):
        return f"rows of {whole}"
    pairs = label_pairs(said[roles.label_set]) if roles.label_set else {}
    host = table.options.host
    if not table.names_metrics:
        return Placed(_labels(host, pairs, own))
    name = said[str(roles.metric_name)]
    naming, raw, _ = legend(name)
    if naming is None:
        return name
    naming = in_told_unit(in_unit(naming, said.get(roles.unit or "", ""), tally), table.options.metric)
    pairs |= raw
    labels = _labels(host, pairs, own)
    return Placed(Series(naming.metric, labels, variant_of(naming.metric, pairs)), naming)


def _labels(host: str | None, pairs: Mapping[str, str], own: Mapping[str, str]) -> Labels:
    """Return the told ``host``, outranked by ``pairs`` of labels, and those by cells of their ``own``."""
    if not pairs:
        return Labels(**{"host": host, **own})
    return replace(labels_of({"host": host or "", **pairs}), **own)
