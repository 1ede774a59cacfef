"""Every example in a docstring of what ships is true."""

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

from inferplan import datasets, planner, pricing


def modules() -> Iterator[str]:
    for package in (datasets, planner, pricing):
        yield from (found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."))


@pytest.mark.parametrize("name", list(modules()))
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
