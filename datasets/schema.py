"""Row types of the facts: frozen, nothing extra allowed, units in the names."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

GIB = 1024**3


class Row(BaseModel):
    """A checked, immutable record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Positive = Annotated[float, Field(gt=0)]
PositiveDecimal = Annotated[Decimal, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]


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
    aliases: tuple[str, ...] = ()
    """Other names in use: a driver's, a provider's, the short one that people mean."""


PurchaseOption = Literal[
    "on_demand", "spot", "reserved_1y", "reserved_3y", "reserved_6mo", "reserved_from",
    "savings_plan_1y", "savings_plan_3y", "capacity_block", "flex_start", "owned", "negotiated",
]  # fmt: skip


PriceCovers = Literal["machine", "gpu_only", "reservation_fee"]


class Offer(Row):
    """A GPU machine for rent; ``usd_per_hour`` is ``None`` with a reason where no price is public."""

    provider: Text
    instance_type: Text
    gpu: Text
    """Name in the GPU catalog."""
    gpu_count: Annotated[float, Field(gt=0)]
    """Fractions are shares of one GPU."""
    vcpus: float | None = None
    memory_gib: float | None = None
    region: Text
    purchase_option: Text
    """One of ``PurchaseOption`` in the bundled facts; a source may bring its own."""
    usd_per_hour: PositiveDecimal | None = None
    """Price of the whole instance."""
    observed_on: date
    date_basis: Text
    source: Text
    notes: str = ""
    no_price_reason: str | None = None
    price_covers: PriceCovers = "machine"
    """``gpu_only``: CPU and memory are billed on top; ``reservation_fee``: paid ahead, the OS is extra."""

    @model_validator(mode="after")
    def _price_or_reason(self) -> Self:
        if (self.usd_per_hour is None) == bool(self.no_price_reason):
            return self
        msg = "give a price, or no price with the reason in 'no_price_reason'"
        raise ValueError(msg)

    @property
    def offer_id(self) -> str:
        """Identity of the offer through time: everything but its price and date."""
        return "/".join((self.provider, self.instance_type, self.region, self.purchase_option, self.gpu))

    @property
    def usd_per_gpu_hour(self) -> Decimal | None:
        """Price per hour and whole GPU, ``None`` where there is no price."""
        return None if self.usd_per_hour is None else self.usd_per_hour / Decimal(str(self.gpu_count))


class ApiPrice(Row):
    """Price of a hosted model per million tokens, as one host publishes it."""

    provider: Text
    model_id: Text
    """The host's own name of the model."""
    canonical_model: Text
    """One name for the same model across hosts."""
    catalog_model: str | None = None
    """Id in the model catalog, where the hosted weights are those of that model."""
    open_weights: bool | None = None
    size_hint_unverified: str = ""
    input_usd_per_mtok: PositiveDecimal
    output_usd_per_mtok: PositiveDecimal
    cached_input_usd_per_mtok: PositiveDecimal | None = None
    cache_write_usd_per_mtok: PositiveDecimal | None = None
    context_window_tokens: Annotated[int, Field(gt=0)] | None = None
    observed_on: date
    date_basis: Text
    source: Text
    provider_page: str = ""
    notes: str = ""


class EnergyFigure(Row):
    """One figure about energy: a PUE, an electricity tariff or a grid's carbon intensity."""

    metric: Literal["pue", "electricity_price", "grid_carbon"]
    scope: Text
    location: str = ""
    aws_region: str = ""
    azure_region: str = ""
    gcp_region: str = ""
    value: Positive
    unit: Literal["ratio", "USD/kWh", "EUR/kWh", "AUD/kWh", "gCO2e/kWh"]
    period: Text
    """What the figure is about: a year, a month or a half-year."""
    source: Text
    as_of: date
    notes: str = ""


class QuantizationFormat(Row):
    """How many bits a value takes in a stored format, what stays unquantized and where it runs."""

    format: Text
    kind: Text
    bits_per_value: Positive
    """Element plus its share of scales and zeros."""
    element_bits: float | None = None
    scale_and_zero_bits: str = ""
    granularity: str = ""
    kept_unquantized: str = ""
    native_compute_on: str = ""
    otherwise: str = ""
    vllm_min_compute_capability: str = ""
    verified_against: str = ""
    source: Text
    as_of: date
    notes: str = ""


class TotalCheck(Row):
    """What a published total includes: ``formula`` + ``difference`` elements is the published figure."""

    formula: str
    difference: int


class KvCache16Bit(Row):
    """Published or computed cache sizes with keys, values and states at 16 bit."""

    bytes_per_token: int
    """What grows with every token."""
    window_bytes_per_token: dict[int, int]
    """By window length in tokens: bytes per token up to that window."""
    state_bytes_per_sequence: int


class ModelFacts(Row):
    """What is known of a model besides its config; absent is not known."""

    model: Text
    total_parameters: int | None = None
    total_parameters_meaning: str = ""
    total_parameters_source: str = ""
    language_model_parameters: int | None = None
    vision_parameters: int | None = None
    mtp_parameters: int | None = None
    active_parameters: int | None = None
    active_parameters_basis: str = ""
    active_parameters_published: str = ""
    total_check: TotalCheck | None = None
    kv_cache_16bit: KvCache16Bit | None = None
    vllm_recipe_vram_minimum_gb: dict[str, Any] | None = None
    checkpoint_bytes: int | None = None
    checkpoint_gib: float | None = None
    checkpoint_bytes_basis: str = ""
    license: str = ""
    gated: bool | None = None
    gated_basis: str = ""
    release: str = ""
    """Month of the release, as YYYY-MM."""
    release_basis: str = ""
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    as_of: date
    notes: str = ""
