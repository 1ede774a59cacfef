"""Configs that describe no model: one clear error each, quickly, and never anything else."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.planner.architecture import ConfigError, parse, read_config
from inferplan.planner.kv_cache import layout
from inferplan.planner.parameters import count
from inferplan.planner.weights import weights

GOOD = catalog.model_config("meta-llama/Llama-3.1-8B")


def nested(depth: int) -> dict[str, Any]:
    """Return an object ``depth`` levels deep."""
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"a": inner}
    return inner


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hidden_size": None}, "missing hidden_size"),
        (
            {"hidden_size": "4096"},
            r"hidden_size is '4096'; it must be a whole number. Write it without quotes",
        ),
        ({"hidden_size": -4096}, "hidden_size is -4096; it must be between 1"),
        ({"hidden_size": 0}, "hidden_size is 0; it must be between 1"),
        ({"hidden_size": True}, "hidden_size is True; it must be a whole number"),
        ({"hidden_size": [4096]}, "hidden_size is"),
        ({"hidden_size": float("nan")}, "hidden_size is nan; it must be a whole number"),
        ({"hidden_size": float("inf")}, "hidden_size is inf; it must be a whole number"),
        ({"hidden_size": 4096.5}, "hidden_size is 4096.5; it must be a whole number"),
        ({"hidden_size": 10**30}, "hidden_size is 10000"),
        ({"num_hidden_layers": 10**12}, "num_hidden_layers is 1000000000000; it must be between 1 and 2,048"),
        ({"num_hidden_layers": None}, "missing num_hidden_layers"),
        ({"vocab_size": {"a": 1}}, "vocab_size is"),
        ({"num_attention_heads": 100_000}, "num_attention_heads is 100000"),
        ({"num_attention_heads": 8192, "head_dim": None}, "the head size would be 0"),
        ({"num_key_value_heads": 5}, "32 attention heads cannot share 5 key-value heads"),
        ({"intermediate_size": None}, "missing intermediate_size"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes'; it must be true or false"),
        ({"model_type": ["llama"]}, "model_type is .* it must be text"),
        ({"model_type": "rwkv"}, "RWKV"),
        ({"layer_types": ["full_attention"] * 3}, "names 3 layers but there are 32"),
        ({"layer_types": ["telepathy"] * 32}, "kind of layer that is not known: 'telepathy'"),
        ({"layer_types": "full"}, "layer_types is 'full'; it must be a list"),
        ({"hybrid_override_pattern": "MXQ"}, "known letters are"),
        ({"block_configs": [{}]}, "has 1 entries but there are 32 layers"),
        ({"text_config": 7}, "text_config is 7; it must be an object"),
        ({"vision_config": "siglip"}, "vision_config is 'siglip'; it must be an object"),
        ({"vision_config": {"hidden_size": 64}}, "states no vision_config.num_hidden_layers"),
        (
            {"num_local_experts": 8, "num_experts_per_tok": 9},
            "num_experts_per_tok is 9, more than the 8 experts",
        ),
        ({"num_local_experts": 8}, "missing num_experts_per_tok"),
        ({"sliding_window": "many", "use_sliding_window": True}, "sliding_window is 'many'"),
        ({"kv_lora_rank": 512}, "missing qk_nope_head_dim"),
        ({"quirk": nested(10_000)}, "nested deeper than 40 levels"),
        ({"junk": "x" * 10_000_000}, "not a model's config.json"),
        ({"junk": list(range(300_000))}, "not a model's config.json"),
    ],
)
def test_one_clear_error(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        parse({**GOOD, **changed})
    assert len(str(error.value)) < 600


def test_every_missing_field_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        parse({"model_type": "llama"})
    assert error.value.fields == ("hidden_size", "vocab_size", "heads", "layers")
    assert "num_attention_heads" in str(error.value)


def test_an_empty_object_and_things_that_are_no_object() -> None:
    with pytest.raises(ConfigError, match="missing hidden_size"):
        parse({})
    for wrong in ([], [GOOD], "config", 7, None):
        with pytest.raises(ConfigError, match="A config is a JSON object"):
            parse(wrong)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hidden_size: 4096", "not valid JSON"),
        ("", "not valid JSON"),
        ("[1, 2]", "A config is a JSON object"),
        (b"\xff\xfe\x00", "not valid JSON"),
        ("[" * 100_000, "nested deeper"),
        ('{"a":' * 60 + "1" + "}" * 60, "nested deeper"),
        (" " * 10_000_000, "10 MiB|9.5 MiB"),
    ],
)
def test_files_that_are_no_config(text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_config(text)


def test_a_config_file_is_read() -> None:
    assert parse(read_config(json.dumps(GOOD))).hidden_size == 4096


CONFIGS = [catalog.model_config(model) for model in catalog.models()]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10), st.sampled_from([10**8, 10**12, 10**30]),
    st.floats(allow_nan=True, allow_infinity=True), st.text(max_size=5),
    st.lists(st.one_of(st.none(), st.integers(-2, 9), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_mutated_configs_are_answered_or_refused(data: st.DataObject) -> None:
    config = copy.deepcopy(data.draw(st.sampled_from(CONFIGS)))
    for _ in range(data.draw(st.integers(1, 3))):
        holder: dict[str, Any] = config
        key = data.draw(st.sampled_from(sorted(holder)))
        while isinstance(holder.get(key), dict) and holder[key] and data.draw(st.booleans()):
            holder = holder[key]
            key = data.draw(st.sampled_from(sorted(holder)))
        holder[key] = data.draw(JUNK)
    try:
        architecture = parse(config)
        answers = (
            count(architecture).total,
            layout(architecture, tp=2).bytes_per_sequence(100),
            weights(architecture).per_gpu_bytes,
        )
    except InferplanError:
        return  # refused: anything else that is raised fails the test
    assert answers[0] > 0
    assert answers[1] >= 0
    assert answers[2] > 0
