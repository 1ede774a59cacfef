"""A list of tensors under construction."""

from collections.abc import Iterable

from inferplan.planner.architecture.model import Part, Role, Shard, Tensor


class Sheet:
    """Collects tensors; names are those of Hugging Face checkpoints, relative to ``prefix``."""

    def __init__(self, part: Part = "language_model", prefix: str = "", layer: int | None = None) -> None:
        """Start an empty sheet whose tensors belong to ``part``."""
        self.part: Part = part
        self.prefix = prefix
        self.layer = layer
        self.tensors: list[Tensor] = []

    def matrix(
        self,
        name: str,
        role: Role,
        out_features: int,
        in_features: int,
        shard: Shard,
        *,
        bias: bool = False,
        count: int = 1,
        units: int = 0,
    ) -> None:
        """Add a linear layer's weight (and its bias); arrays without elements are left out."""
        if min(out_features, in_features, count) < 1:
            return
        full = self.prefix + name
        self.tensors.append(
            Tensor(
                f"{full}.weight", self.part, role, self.layer, out_features, in_features, shard, count, units
            )
        )
        if bias:
            spread: Shard = "replicated" if shard == "row" else shard
            self.tensors.append(
                Tensor(f"{full}.bias", self.part, role, self.layer, out_features, 1, spread, count, units)
            )

    def vector(
        self,
        name: str,
        size: int,
        role: Role = "norm",
        shard: Shard = "replicated",
        *,
        count: int = 1,
        units: int = 0,
    ) -> None:
        """Add a vector: a norm's weight, a bias, one number per head."""
        if size > 0:
            self.tensors.append(
                Tensor(self.prefix + name, self.part, role, self.layer, size, 1, shard, count, units)
            )

    def norm(self, name: str, size: int, kind: str = "rms", *, count: int = 1) -> None:
        """Add a norm of ``kind`` "rms", "layer", "layer_without_bias" or "none"."""
        if kind == "none":
            return
        self.vector(f"{name}.weight", size, count=count)
        if kind == "layer":
            self.vector(f"{name}.bias", size, count=count)

    def placed(self, prefix: str, layer: int | None) -> Iterable[Tensor]:
        """Yield the tensors with ``prefix`` before their names, as tensors of ``layer``."""
        for t in self.tensors:
            yield Tensor(
                prefix + t.name,
                t.part,
                t.role,
                layer,
                t.out_features,
                t.in_features,
                t.shard,
                t.count,
                t.shard_units,
            )
