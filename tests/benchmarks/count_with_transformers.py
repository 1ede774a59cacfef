"""Count a model by building it: ``python tests/benchmarks/count_with_transformers.py CONFIG.json...``.

The independent figures in ``tests/data/transformers_counts.json`` were made this way, with transformers
5.23.0 and torch 2.13 (neither is a dependency of this project): the class that belongs to the config is
built without memory, the elements of its parameters and router biases are added up, and the cache of a prompt
of 16 tokens is compared with that of 8.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

TOWERS = ("visual", "vision", "multi_modal", "audio", "projector", "connector", "image_newline")


def counted(config: dict[str, object]) -> tuple[int, int, float | str]:
    """Return the parameters of the language model and of its towers, and the cache's elements per token."""
    built = CONFIG_MAPPING[config["model_type"]].from_dict(config)
    image = type(built) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    with torch.device("meta"):
        model = (AutoModelForImageTextToText if image else AutoModelForCausalLM).from_config(built)
    model.tie_weights()
    arrays = dict(model.named_parameters())
    stored = ("correction", "layer_scalar", "std_")
    arrays |= {name: array for name, array in model.named_buffers() if any(part in name for part in stored)}
    towers = sum(a.numel() for n, a in arrays.items() if image and any(part in n for part in TOWERS))
    return sum(a.numel() for a in arrays.values()) - towers, towers, cached(model)


def cached(model: torch.nn.Module) -> float | str:
    """Return the elements that a token adds to the cache, or why they cannot be had without memory."""
    sizes = []
    for tokens in (8, 16):
        try:
            with torch.device("meta"), torch.no_grad():
                answer = model(input_ids=torch.zeros((1, tokens), dtype=torch.long), use_cache=True)
            held = [array for layer in answer.past_key_values.layers for array in vars(layer).values()]
        except (AttributeError, NotImplementedError, RuntimeError, ValueError) as error:
            return f"not without memory: {error}"
        arrays = (array for array in held if isinstance(array, torch.Tensor) and array.ndim > 2)
        sizes.append(sum(array.numel() for array in arrays))
    return (sizes[1] - sizes[0]) / 8


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(path, *counted(json.loads(Path(path).read_text())))
