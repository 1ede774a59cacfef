"""Row types of the facts: frozen, nothing extra allowed, units in the names."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

GIB = 1024**3


class Row(BaseModel):
    """A checked, immutable record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Positive = Annotated[float, Field(gt=0)]


class Gpu(Row):
    """An accelerator; every peak is dense (never with sparsity), absent means not known or not supported."""

    name: str
    vendor: str
    architecture: str
    memory_marketed_gb: Positive
    memory_total_bytes: Annotated[int, Field(gt=0)]
    """Total that the driver reports, which is what an engine's memory share is a share of."""
    memory_total_basis: str
    memory_type: str | None = None
    memory_bandwidth_bytes_per_s: Positive
    fp32_flops_per_s: Positive | None = None
    tf32_flops_per_s: Positive | None = None
    fp16_flops_per_s: Positive | None = None
    bf16_flops_per_s: Positive | None = None
    fp8_flops_per_s: Positive | None = None
    int8_ops_per_s: Positive | None = None
    fp4_flops_per_s: Positive | None = None
    measured_bf16_flops_per_s: Positive | None = None
    """Best matrix product that somebody measured: the honest ceiling under the datasheet's."""
    measured_fp8_flops_per_s: Positive | None = None
    interconnect: str | None = None
    interconnect_bidirectional_bytes_per_s: Positive | None = None
    max_nvlink_domain: int | None = None
    pcie_generation: float | None = None
    tdp_w: Positive | None = None
    mig_max_instances: int = 0
    mig_profiles: tuple[str, ...] = ()
    release_year: int | None = None
    confidence: str
    source: str
    as_of: date
    notes: str = ""


PurchaseOption = Literal[
    "on_demand", "spot", "reserved_1y", "reserved_3y", "reserved_6mo", "reserved_from",
    "savings_plan_1y", "savings_plan_3y", "capacity_block", "flex_start", "owned", "negotiated",
]  # fmt: skip


class Offer(Row):
    """A GPU machine for rent; ``usd_per_hour`` is ``None`` with a reason where no price is public."""

    provider: str
    instance_type: str
    gpu: str
    """Name in the GPU catalog."""
    gpu_count: Annotated[float, Field(gt=0)]
    vcpus: float | None = None
    memory_gib: float | None = None
    region: str
    purchase_option: str
    usd_per_hour: Annotated[Decimal, Field(gt=0)] | None
    observed_on: date
    date_basis: str
    source: str
    notes: str = ""
    no_price_reason: str | None = None

    @property
    def offer_id(self) -> str:
        """Identity of the offer through time: everything but its price and date."""
        return "/".join((self.provider, self.instance_type, self.region, self.purchase_option, self.gpu))
