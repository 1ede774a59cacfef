"""Models of the catalog, read once."""

from functools import cache

from inferplan.datasets import catalog
from inferplan.planner.architecture import Architecture, parse


@cache
def model(name: str) -> Architecture:
    return parse(catalog.model_config(name), name=name)
