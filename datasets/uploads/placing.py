"""What the label cells of a table's row say: where its values were measured and, in a long table, what."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from inferplan.datasets.uploads.gathering import in_told_unit, in_unit
from inferplan.datasets.uploads.legends import legend
from inferplan.datasets.uploads.metrics import Naming
from inferplan.datasets.uploads.reading import Labels, SampleTable, Series
from inferplan.datasets.uploads.roles import Roles
from inferplan.datasets.uploads.values import label_pairs, labels_of, sums_up, variant_of, with_gpu


class Placed(NamedTuple):
    """Where the values of some rows belong."""

    key: Labels | Series
    naming: Naming | None = None
    """Of the metric that rows of a long table name."""


def placed(said: Mapping[str, str], table: SampleTable) -> Placed | str:
    """Return where rows belong, by what their label cells ``said``, or the name of what is not used."""
    roles, tally, host = table.roles, table.table.tally, table.options.host
    pairs = pairs_of(said, roles)
    if not table.names_metrics:
        there = place_of(said, roles, host, pairs)
        return there if isinstance(there, str) else Placed(there)
    name = said[str(roles.metric_name)]
    naming, raw, _ = legend(name)
    if naming is None:
        return name
    naming = in_told_unit(in_unit(naming, said.get(roles.unit or "", ""), tally), table.options.metric)
    pairs |= raw
    labels = place_of(said, roles, host, pairs)
    if isinstance(labels, str):
        return labels
    return Placed(Series(naming.metric, labels, variant_of(naming.metric, pairs)), naming)


def pairs_of(said: Mapping[str, str], roles: Roles) -> dict[str, str]:
    """Return the labels, with their names, that stand in one cell of a row."""
    return label_pairs(said[roles.label_set]) if roles.label_set else {}


def place_of(
    said: Mapping[str, str], roles: Roles, host: str | None, pairs: Mapping[str, str]
) -> Labels | str:
    """Return the place of a row, or what the row sums up: it is no place then.

    The told ``host`` is outranked by ``pairs`` of labels, and those by cells of their own.
    """
    own = with_gpu({role: said[column] for column, role in roles.labels.items() if said[column]})
    if whole := next((text for text in own.values() if sums_up(text)), None):
        return f"rows of {whole}"
    if not pairs:
        return Labels(**{"host": host, **own})
    return replace(labels_of({"host": host or "", **pairs}), **own)
