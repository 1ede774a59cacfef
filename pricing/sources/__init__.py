"""Price sources, one module each, found by looking in this folder and at installed entry points."""

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import cast

from inferplan.datasets.errors import UnknownNameError
from inferplan.pricing.source import PriceSource

ENTRY_POINT_GROUP = "inferplan.price_sources"


@functools.cache
def sources() -> Mapping[str, PriceSource]:
    """Return every price source by name: our own first, then those of installed packages."""
    found: dict[str, PriceSource] = {}
    for module in pkgutil.iter_modules(__path__):
        own = cast("PriceSource", importlib.import_module(f"{__name__}.{module.name}"))
        found[own.name] = own
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        theirs = cast("PriceSource", entry_point.load())
        found.setdefault(theirs.name, theirs)
    return found


def source(name: str) -> PriceSource:
    """Return the price source called ``name``.

    >>> source("bundled").title
    'Bundled snapshot'
    """
    try:
        return sources()[name]
    except KeyError:
        raise UnknownNameError("price source", name, sources()) from None
