"""What advice is given on: a serving process with all its GPUs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from inferplan.datasets.schema import Gpu
from inferplan.planner.confidence import Confidence
from inferplan.planner.mig_slices import share_of_gpu
from inferplan.planner.request_latency import RequestLatency
from inferplan.planner.rightsizing.statistic import Statistic

_REPLICA_SUFFIX = re.compile(r"(-[0-9a-f]{6,10}-[a-z0-9]{3,6}|-\d+)$")
SHOWS_WORK = ("sm_active_ratio", "gr_engine_active_ratio")


@dataclass(frozen=True)
class Unit:
    """A serving process with its GPUs, or a GPU of which no process is known."""

    key: str
    is_process: bool
    gpus: tuple[str, ...]
    statistics: Mapping[str, Statistic]
    """By metric; of several GPUs the one that is used the most."""
    gpu: Gpu | None
    gpu_name: str | None
    host: str | None
    instance_id: str | None
    instance_type: str | None
    namespace: str | None
    model: str | None
    team: str | None
    mig_profile: str | None
    """Of a slice, ``"?"`` where the export does not name it; ``None``: whole GPUs."""
    is_sample: bool
    idle_hours: tuple[int, ...] = field(default=())
    """Hours of the week (0 = Monday 0:00 UTC) idle in at least 80 % of three or more weeks."""
    latencies: Mapping[str, RequestLatency] = field(default_factory=dict)
    """How long requests took, by latency, where a log or a histogram tells of single ones."""
    is_alone: bool = False
    """Whether its machine is known, and no other GPU was measured there."""
    doubt: str | None = None
    """Why the measurements may not stand for it as it is now, ``None`` where they do."""

    def get(self, *metrics: str) -> Statistic | None:
        """Return the first of ``metrics`` that was measured."""
        for name in metrics:
            if name in self.statistics:
                return self.statistics[name]
        return None

    @cached_property
    def service(self) -> str:
        """Key of all replicas: the pod's name without its random end."""
        return _REPLICA_SUFFIX.sub("", self.key) if self.is_process else self.key

    @cached_property
    def workload(self) -> str:
        """Key of the replicas that are alike: the service and its GPUs or slices."""
        part = f" {self.mig_profile}" if self.mig_profile else ""
        return f"{self.service} on {len(self.gpus)} x {self.gpu_name}{part}"

    @cached_property
    def gpus_held(self) -> Decimal:
        """GPUs that it occupies; a MIG slice is its share of the compute slices."""
        each = share_of_gpu(self.mig_profile, self.gpu) if self.mig_profile else Decimal(1)
        return each * len(self.gpus)

    @cached_property
    def activity(self) -> Statistic | None:
        """SM activity, else graphics-engine activity; GPU_UTIL is no measure of work and never stands in."""
        return self.get(*SHOWS_WORK)

    @property
    def memory(self) -> Statistic | None:
        """Memory held, in bytes or as a share."""
        return self.get("fb_used_bytes", "fb_used_ratio")

    @cached_property
    def confidence(self) -> Confidence:
        """Confidence in the measurements that decide: the least of activity and memory."""
        used = [one for one in (self.activity, self.memory) if one]
        return min((one.confidence for one in used or self.statistics.values()), default=Confidence.NONE)

    @cached_property
    def memory_total_bytes(self) -> float | None:
        """Memory of one GPU (or slice) as measured, else as the catalog has it."""
        total = self.get("fb_total_bytes")
        if total is not None:
            return total.max
        return float(self.gpu.memory_total_bytes) if self.gpu and not self.mig_profile else None

    @cached_property
    def memory_peak_bytes(self) -> float | None:
        """Largest memory use ever seen on one of the GPUs."""
        used = self.get("fb_used_bytes")
        if used is not None:
            return used.max
        share = self.get("fb_used_ratio")
        total = self.memory_total_bytes
        return share.max * total if share and total else None
