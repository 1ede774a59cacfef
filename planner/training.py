"""Memory of training and fine-tuning on one GPU: full, LoRA and QLoRA.

Per trainable parameter, AdamW in mixed precision holds a 16-bit weight, a 16-bit gradient, a 32-bit master
copy and two 32-bit moments: 16 bytes (Rajbhandari et al. 2020, "ZeRO", section 3.1). Stage 1 divides
optimizer and master copy among the data-parallel GPUs, stage 2 the gradients too, stage 3 (FSDP full shard)
the weights.

Activations per token and layer are what the backward pass reads again: inputs of norms and matrices,
queries, keys, values, the MLP's products (Korthikanti et al. 2022, "Reducing activation recomputation",
section 4, with a fused attention that stores no score matrix). Full checkpointing keeps each layer's input
and recomputes one layer at a time.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.schema import GIB
from inferplan.planner.architecture import Architecture, Tensor
from inferplan.planner.parameters import count

Method = Literal["full", "lora", "qlora"]
Checkpointing = Literal["none", "full"]
Precision = Literal["mixed", "bf16", "fp32"]

NF4_BYTES = 4.127 / 8  # nf4 and its scales, 4.127 bit: Dettmers et al. 2023, "QLoRA"
OPTIMIZER_BYTES: Mapping[str, float] = {
    "adamw": 8,  # two fp32 moments, pytorch torch.optim.AdamW
    "adamw-8bit": 2,  # two 8-bit moments, bitsandbytes (block scales 0.06 left out)
    "sgd-momentum": 4,  # one fp32 buffer, pytorch torch.optim.SGD
    "sgd": 0,
    "lion": 4,  # one fp32 moment, Chen et al. 2023
}
_WEIGHT_BYTES: Mapping[str, int] = {"mixed": 2, "bf16": 2, "fp32": 4}
_MASTER_BYTES: Mapping[str, int] = {"mixed": 4, "bf16": 0, "fp32": 0}
CONTEXT_BYTES = round(0.75 * GIB)  # CUDA context: 78.48 of 79.2 GiB free on an H100, start-up log
LOGIT_BYTES = 10  # bf16 logits, their fp32 copy and its gradient: transformers loss functions
CONV_KERNEL = 8  # narrower matrices are vectors or convolution taps


@dataclass(frozen=True)
class Training:
    """One training run."""

    architecture: Architecture
    method: Method = "full"
    gpus: int = 1
    """Data-parallel GPUs."""
    zero_stage: int = 0
    """0 to 3; FSDP's full shard is 3, its SHARD_GRAD_OP 2."""
    sequence_tokens: int = 2048
    micro_batch: int = 1
    """Sequences of one forward pass on a GPU."""
    optimizer: str = "adamw"
    precision: Precision = "mixed"
    checkpointing: Checkpointing = "full"
    lora_rank: int = 16
    lora_roles: tuple[str, ...] = ("attention", "mlp")


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes on one GPU; the parts sum to ``total_bytes``."""

    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    """Moments and master copy."""
    activations_bytes: int
    logits_bytes: int
    context_bytes: int
    trainable_parameters: int

    @property
    def total_bytes(self) -> int:
        """Return all parts together."""
        return sum(self.parts().values())

    def parts(self) -> Mapping[str, int]:
        """Return the parts by name."""
        return {
            "weights": self.weights_bytes,
            "gradients": self.gradients_bytes,
            "optimizer": self.optimizer_bytes,
            "activations": self.activations_bytes,
            "logits and loss": self.logits_bytes,
            "CUDA context": self.context_bytes,
        }


def training_memory(training: Training) -> TrainingMemory:
    """Return what ``training`` takes on each GPU.

    Raises
    ------
    InferplanError
        If the optimizer is unknown or a size is not positive.
    """
    _check(training)
    adapted = training.method != "full"
    total = count(training.architecture).total
    trainable = _adapter_parameters(training) if adapted else total
    frozen = _frozen_bytes(training) if adapted else 0
    width = _WEIGHT_BYTES[training.precision]
    weights = frozen + trainable * width
    gradients = trainable * width
    optimizer = trainable * (OPTIMIZER_BYTES[training.optimizer] + _MASTER_BYTES[training.precision])
    shards = training.gpus
    tokens = training.micro_batch * training.sequence_tokens
    return TrainingMemory(
        weights_bytes=_ceil(weights / (shards if training.zero_stage >= 3 else 1))
        + _gathered(training, width),
        gradients_bytes=_ceil(gradients / (shards if training.zero_stage >= 2 else 1)),
        optimizer_bytes=_ceil(optimizer / (shards if training.zero_stage >= 1 else 1)),
        activations_bytes=_ceil(tokens * activation_bytes_per_token(training)),
        logits_bytes=tokens * training.architecture.vocab_size * LOGIT_BYTES,
        context_bytes=CONTEXT_BYTES,
        trainable_parameters=trainable,
    )


def activation_bytes_per_token(training: Training) -> float:
    """Return bytes per token that a GPU keeps between forward and backward pass."""
    architecture = training.architecture
    width = _WEIGHT_BYTES[training.precision]
    per_layer = _kept_by_layer(architecture)
    if training.checkpointing == "none":
        return width * sum(per_layer.values())
    inputs = width * architecture.hidden_size * len(architecture.layers)
    return inputs + width * max(per_layer.values(), default=0)


def _kept_by_layer(architecture: Architecture) -> dict[int, float]:
    """Return elements per token that the backward pass of each layer reads."""
    tensors: dict[int, list[Tensor]] = defaultdict(list)
    for tensor in architecture.tensors:
        if tensor.part == "language_model" and tensor.layer is not None and tensor.in_features > CONV_KERNEL:
            tensors[tensor.layer].append(tensor)
    hidden = architecture.hidden_size
    kept: dict[int, float] = {}
    for layer, own in tensors.items():
        elements = 4.0 * hidden  # inputs of both norms and their outputs, which q, k, v and gate, up share
        for tensor in own:
            copies = architecture.experts_per_token if tensor.role == "expert" else 1
            elements += copies * (tensor.in_features if tensor.shard == "row" else tensor.out_features)
        kept[layer] = elements
    return kept


def _adapter_parameters(training: Training) -> int:
    return sum(
        tensor.count * training.lora_rank * (tensor.out_features + tensor.in_features)
        for tensor in training.architecture.tensors
        if tensor.part == "language_model"
        and tensor.role in training.lora_roles
        and tensor.in_features > CONV_KERNEL
    )


def _frozen_bytes(training: Training) -> float:
    """Return bytes of the base model: 16 bit, or nf4 in its layers' matrices (QLoRA)."""
    if training.method == "lora":
        return count(training.architecture).total * _WEIGHT_BYTES[training.precision]
    size = 0.0
    for tensor in training.architecture.tensors:
        matrix = tensor.layer is not None and tensor.in_features > CONV_KERNEL and tensor.role != "router"
        size += tensor.elements * (NF4_BYTES if matrix and tensor.part == "language_model" else 2)
    return size


def _gathered(training: Training, width: int) -> int:
    """Return the whole layer that stage 3 gathers while it computes, one ahead included."""
    if training.zero_stage < 3 or training.gpus == 1:
        return 0
    by_layer: dict[int, int] = defaultdict(int)
    for tensor in training.architecture.tensors:
        if tensor.layer is not None:
            by_layer[tensor.layer] += tensor.elements
    return 2 * width * max(by_layer.values(), default=0)


def _check(training: Training) -> None:
    if training.optimizer not in OPTIMIZER_BYTES:
        raise UnknownNameError("optimizer", training.optimizer, OPTIMIZER_BYTES)
    if training.zero_stage not in (0, 1, 2, 3):
        msg = f"zero_stage is {training.zero_stage}; it is 0, 1, 2 or 3 (FSDP full shard)"
        raise InferplanError(msg)
    sizes = ("gpus", "sequence_tokens", "micro_batch", "lora_rank")
    for name in sizes:
        if getattr(training, name) < 1:
            msg = f"{name} is {getattr(training, name)}; it must be at least 1"
            raise InferplanError(msg)


def _ceil(size: float) -> int:
    return -int(-size // 1)
