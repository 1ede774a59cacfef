"""The dated snapshot that ships with Inferplan: many providers, no network."""

import hashlib
from importlib.resources import files

from inferplan.datasets import catalog
from inferplan.datasets.schema import Offer
from inferplan.pricing.source import Fetched, Quote

name = "bundled"
title = "Bundled snapshot"


def skipped() -> None:
    """Return ``None``: the snapshot is always there."""


def digest() -> str:
    """Return the fingerprint of the snapshot's file."""
    return hashlib.sha256((files("inferplan.datasets") / "facts" / "offers.csv").read_bytes()).hexdigest()


def fetch(region: str | None = None) -> Fetched:
    """Return every observation of the snapshot, of one ``region`` when it is given."""
    observations = catalog.offer_observations()
    quotes = [_quote(offer) for offer in observations if region in (None, offer.region)]
    return Fetched(quotes, None if region is None else frozenset({region}), digest=digest())


def _quote(offer: Offer) -> Quote:
    return Quote(**offer.model_dump(), where=f"offers.csv {offer.offer_id}")
