"""Which accelerators an AWS instance type has, from the facts and not from AWS's inexact fields."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

from inferplan.datasets import catalog


class Shape(NamedTuple):
    """What an instance type is made of."""

    gpu: str
    """Name in the GPU catalog."""
    gpu_count: float
    vcpus: float | None
    memory_gib: float | None


@functools.cache
def shapes() -> Mapping[str, Shape]:
    """Return every AWS instance type of the facts."""
    return {
        offer.instance_type: Shape(offer.gpu, offer.gpu_count, offer.vcpus, offer.memory_gib)
        for offer in catalog.offers()
        if offer.provider == "aws"
    }


@functools.cache
def _gpu_by_family() -> Mapping[str, str]:
    return {family(name): shape.gpu for name, shape in shapes().items()}


def family(instance_type: str) -> str:
    """Return the family of ``instance_type``, which has one kind of accelerator.

    >>> family("p6-b200.48xlarge")
    'p6-b200'
    """
    return instance_type.split(".", 1)[0]


def families() -> tuple[str, ...]:
    """Return the families with accelerators, sorted."""
    return tuple(sorted(_gpu_by_family()))


def gpu_of(instance_type: str) -> str | None:
    """Return the accelerator of ``instance_type``, by its family where the size is new."""
    return _gpu_by_family().get(family(instance_type))
