"""The links between the GPUs of one deployment."""

from dataclasses import dataclass
from typing import Literal

from inferplan.datasets.schema import Gpu

PCIE_BYTES_PER_S_BY_GENERATION = {3: 15.75e9, 4: 31.5e9, 5: 63.0e9, 6: 121.0e9}  # x16, one way: PCI-SIG
NODE_LINK_BYTES_PER_S = 50e9  # one 400 Gb/s adapter per GPU: NVIDIA DGX H100 datasheet
GPUS_PER_NODE = 8

LinkKind = Literal["none", "nvlink", "pcie", "network"]


@dataclass(frozen=True, slots=True)
class Link:
    """The slowest link that a collective of ``gpus`` passes."""

    kind: LinkKind
    bytes_per_s: float
    """One way, per GPU."""


def link(gpu: Gpu, gpus: int) -> Link:
    """Return the link among ``gpus`` of one kind: the NVLink domain, the machine's PCIe, or the network.

    >>> from inferplan.datasets import catalog
    >>> link(catalog.gpu("H100 SXM"), 8)
    Link(kind='nvlink', bytes_per_s=450000000000.0)
    >>> link(catalog.gpu("L40S"), 4)
    Link(kind='pcie', bytes_per_s=31500000000.0)
    """
    if gpus <= 1:
        return Link("none", 1e15)
    domain, both_ways = gpu.max_nvlink_domain or 1, gpu.interconnect_bidirectional_bytes_per_s
    if both_ways and gpus <= domain:
        return Link("nvlink", both_ways / 2)
    pcie = PCIE_BYTES_PER_S_BY_GENERATION[min(6, max(3, int(gpu.pcie_generation or 4)))]
    if gpus <= GPUS_PER_NODE:
        return Link("pcie", pcie)
    return Link("network", min(NODE_LINK_BYTES_PER_S, pcie))
