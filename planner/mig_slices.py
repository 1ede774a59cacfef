"""How much of a GPU a MIG slice is."""

import re
from decimal import Decimal

from inferplan.datasets.schema import Gpu

MOST_SLICES = 7  # MIG user guide: of all GPUs but A30 and RTX PRO 6000, which the catalog knows
_COMPUTE_SLICES = re.compile(r"^(\d+)g")


def share_of_gpu(profile: str | None, gpu: Gpu | None) -> Decimal:
    """Return a slice's share (0-1) of the compute slices: the least there is where its profile is not known.

    >>> from inferplan.datasets import catalog
    >>> share_of_gpu("2g.12gb", catalog.gpu("A30"))
    Decimal('0.5')
    """
    found = _COMPUTE_SLICES.match(profile or "")
    whole = (gpu.mig_max_instances if gpu else 0) or MOST_SLICES
    return Decimal(found[1] if found else 1) / whole
