"""What published builds of a format leave in 16 bit, where no checkpoint says it itself.

A format's name alone reaches every linear layer. Tools that make NVFP4 checkpoints leave attention alone in
some architectures, because four bits cost accuracy there; the rules follow published checkpoints:

- latent attention keeps all of its projections but the last: with them, and the block for multi-token
  prediction in 16 bit, the elements of nvidia/DeepSeek-V3.1-NVFP4 are 393,632,819,968 within 0.1 million
  (https://huggingface.co/nvidia/DeepSeek-V3.1-NVFP4);
- layers of attention among Mamba layers, and the Mamba layer before each: model card of
  https://huggingface.co/nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4;
- all attention of Gemma 4 (nvidia/Gemma-4-31B-IT-NVFP4 takes 31 GiB:
  https://huggingface.co/LilaRest/gemma-4-31B-it-NVFP4-turbo) and of MiniMax M2 (``exclude_modules`` of
  https://huggingface.co/mconcat/MiniMax-M2.5-NVFP4 and https://huggingface.co/lukealonso/MiniMax-M2.7-NVFP4).

Other builds exist; ``-all``, ``-mlp`` and ``-experts`` after a format's name say what it reaches.
"""

from functools import lru_cache
from typing import Final

from inferplan.planner.architecture import (
    Architecture,
    LatentAttention,
    Mixer,
    RecurrentState,
    SoftmaxAttention,
)

FORMAT: Final = "nvfp4"
_ATTENTION_KEPT: Final = ("gemma4", "minimax_m2")
_LAST_PROJECTION: Final = "o_proj.weight"


@lru_cache(maxsize=256)
def kept_tensors(architecture: Architecture, format_name: str) -> frozenset[str]:
    """Return the names of matrices that builds in ``format_name`` leave in 16 bit."""
    if format_name != FORMAT:
        return frozenset()
    everywhere = architecture.model_type.startswith(_ATTENTION_KEPT)
    latent = _layers_with(architecture, LatentAttention)
    mamba = _layers_with(architecture, RecurrentState, "mamba")
    among = _layers_with(architecture, SoftmaxAttention) if mamba else frozenset[int]()
    before = {max((one for one in mamba if one < layer), default=None) for layer in among} - {None}
    return frozenset(
        tensor.name
        for tensor in architecture.tensors
        if tensor.part == "mtp"
        or (tensor.role == "attention" and (everywhere or tensor.layer in among))
        or (tensor.role == "attention" and tensor.layer in latent and _LAST_PROJECTION not in tensor.name)
        or (tensor.role == "recurrent" and tensor.layer in before)
    )


def _layers_with(architecture: Architecture, mixer: type[Mixer], kind: str = "") -> frozenset[int]:
    """Return the layers with a ``mixer``, of recurrent states those whose kind begins with ``kind``."""
    return frozenset(
        layer.index
        for layer in architecture.layers
        if any(isinstance(one, mixer) and getattr(one, "kind", "").startswith(kind) for one in layer.mixers)
    )
