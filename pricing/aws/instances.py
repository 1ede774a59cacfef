"""Which accelerators an AWS instance type has, from the facts and not from AWS's inexact fields."""

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from inferplan.datasets import catalog
from inferplan.pricing.source import Quote


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


def base_quote(instance_type: str, region: str, purchase_option: str, source: str) -> Quote:
    """Return a quote of today without a price yet; what the facts do not know is named for the checks."""
    shape = shapes().get(instance_type)
    return Quote(
        provider="aws",
        instance_type=instance_type,
        gpu=gpu_of(instance_type) or f"unknown accelerator of {instance_type}",
        gpu_count=shape.gpu_count if shape else 0,
        region=region,
        purchase_option=purchase_option,
        usd_per_hour=None,
        observed_on=datetime.now(UTC).date(),
        date_basis="asked on the day",
        source=f"AWS {source}",
        vcpus=shape.vcpus if shape else None,
        memory_gib=shape.memory_gib if shape else None,
        where=f"{instance_type} {region} {purchase_option}",
    )
