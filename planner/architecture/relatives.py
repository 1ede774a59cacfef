"""Finding the family of a ``model_type``."""

from collections.abc import Mapping

from inferplan.planner.architecture.families import Family
from inferplan.planner.architecture.family_facts import FAMILIES


def family_of(model_type: str) -> Family | None:
    """Return the facts of ``model_type``, or ``None`` when it is not known.

    The text half of a multimodal model (``gemma3_text``, ``qwen3_vl_moe_text``) is its family's.

    Examples
    --------
    >>> family_of("qwen3_vl_moe_text") is family_of("qwen3_moe")
    True
    >>> family_of("unheard_of") is None
    True
    """
    kind = model_type.lower()
    names = [kind, kind.removesuffix("_text")]
    for family, base in _RELATIVES.items():
        names.extend(base for name in tuple(names) if name == family)
    return next((FAMILIES[name] for name in names if name in FAMILIES), None)


_RELATIVES: Mapping[str, str] = {
    "qwen2_vl": "qwen2",
    "qwen2_5_vl": "qwen2",
    "qwen2_5_omni": "qwen2",
    "qwen3_vl": "qwen3",
    "qwen3_vl_moe": "qwen3_moe",
    "qwen3_omni_moe": "qwen3_moe",
    "qwen3_omni_moe_thinker": "qwen3_moe",
    "glm4v": "glm4",
    "glm4v_moe": "glm4_moe",
    "glm_ocr": "glm4",
    "minimax_m3_vl": "minimax_m3",
    "ernie4_5_vl": "ernie4_5_vl_moe",
    "gemma4_unified": "gemma4",
    "mllama_text_model": "mllama",
    "mistral3": "mistral",
    "llama4": "llama4",
    "llava": "llama",
    "mistral_small": "mistral",
}
