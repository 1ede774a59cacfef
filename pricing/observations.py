"""The rows of ``price_observations``: written by refreshes, read as offers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Cursor
from inferplan.pricing.money import trimmed
from inferplan.pricing.report import RefreshReport

_NEWEST = """
    SELECT offer_id, source_name, provider, instance_type, gpu, gpu_count, vcpus, memory_gib, region,
        purchase_option, usd_per_hour, price_covers, observed_on, date_basis, source, notes, no_price_reason
    FROM current_prices
"""
_OF_ONE_OFFER = """
    SELECT offer_id, source_name, provider, instance_type, gpu, gpu_count, vcpus, memory_gib, region,
        purchase_option, usd_per_hour, price_covers, observed_on, date_basis, source, notes, no_price_reason
    FROM price_observations
    WHERE offer_id = ?
    ORDER BY observed_on, observation_id
"""
_INSERT_REFRESH = """
    INSERT INTO price_refreshes (source_name, region, refreshed_at, snapshot_digest, report)
    VALUES (?, ?, ?, ?, ?)
    RETURNING refresh_id
"""
# Lists in, rows out: one statement for thousands of observations, in the order of the lists.
_INSERT_OBSERVATIONS = """
    INSERT INTO price_observations BY NAME
    SELECT CAST($refresh_id AS BIGINT) AS refresh_id, CAST($source_name AS VARCHAR) AS source_name,
        unnest($offer_id::VARCHAR[]) AS offer_id,
        unnest($provider::VARCHAR[]) AS provider,
        unnest($instance_type::VARCHAR[]) AS instance_type,
        unnest($gpu::VARCHAR[]) AS gpu,
        unnest($gpu_count::DOUBLE[]) AS gpu_count,
        unnest($vcpus::DOUBLE[]) AS vcpus,
        unnest($memory_gib::DOUBLE[]) AS memory_gib,
        unnest($region::VARCHAR[]) AS region,
        unnest($purchase_option::VARCHAR[]) AS purchase_option,
        unnest($usd_per_hour::VARCHAR[])::DECIMAL(20, 10) AS usd_per_hour,
        unnest($price_covers::VARCHAR[]) AS price_covers,
        unnest($observed_on::DATE[]) AS observed_on,
        unnest($date_basis::VARCHAR[]) AS date_basis,
        unnest($source::VARCHAR[]) AS source,
        unnest($notes::VARCHAR[]) AS notes,
        unnest($no_price_reason::VARCHAR[]) AS no_price_reason
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An offer as observed, and the name of the source that brought it."""

    source_name: str
    offer: Offer


def newest_by_offer(cursor: Cursor) -> dict[str, Recorded]:
    """Return the newest observation of every offer, by offer id."""
    return {recorded.offer.offer_id: recorded for recorded in _recorded(cursor.execute(_NEWEST))}


def of_offer(cursor: Cursor, offer_id: str) -> tuple[Recorded, ...]:
    """Return every observation of one offer, the oldest first."""
    return _recorded(cursor.execute(_OF_ONE_OFFER, [offer_id]))


def append(cursor: Cursor, report: RefreshReport, digest: str | None, offers: Sequence[Offer]) -> None:
    """Write one refresh and its observations through the ``cursor`` of an open transaction."""
    about = (report.source_name, report.region, report.refreshed_at, digest, json.dumps(report.as_json()))
    [(refresh_id,)] = cursor.execute(_INSERT_REFRESH, about).fetchall()
    if not offers:
        return
    rows = [offer.model_dump() | {"offer_id": offer.offer_id} for offer in offers]
    lists: dict[str, object] = {name: [row[name] for row in rows] for name in rows[0]}
    lists["usd_per_hour"] = [
        None if offer.usd_per_hour is None else format(offer.usd_per_hour, "f") for offer in offers
    ]
    parameters = {"refresh_id": refresh_id, "source_name": report.source_name, **lists}
    cursor.execute(_INSERT_OBSERVATIONS, parameters).fetchall()


def _recorded(executed: Cursor) -> tuple[Recorded, ...]:
    names = [column[0] for column in executed.description or ()]
    return tuple(_parse(dict(zip(names, row, strict=True))) for row in executed.fetchall())


def _parse(row: Mapping[str, Any]) -> Recorded:
    """Return the observation of ``row``; a price loses the zeros that the column's type adds."""
    fields = {name: value for name, value in row.items() if name not in ("offer_id", "source_name")}
    if fields["usd_per_hour"] is not None:
        fields["usd_per_hour"] = trimmed(fields["usd_per_hour"])
    return Recorded(row["source_name"], Offer.model_validate(fields))
