"""Memory of training: published per-parameter costs, adapters, shards."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.schema import GIB
from inferplan.planner.architecture import parse
from inferplan.planner.training import Training, training_memory

LLAMA = parse(catalog.model_config("meta-llama/Llama-3.1-8B"), name="meta-llama/Llama-3.1-8B")
PARAMETERS = 8_030_261_248


def states(training: Training) -> int:
    memory = training_memory(training)
    return memory.weights_bytes + memory.gradients_bytes + memory.optimizer_bytes


def test_mixed_precision_adamw_is_sixteen_bytes_a_parameter():
    """Rajbhandari et al. 2020, section 3.1: 2 + 2 + 12 bytes."""
    assert states(Training(LLAMA)) == 16 * PARAMETERS


@pytest.mark.parametrize(
    ("stage", "bytes_per_parameter"),
    [(0, 16), (1, 4 + 12 / 64), (2, 2 + 14 / 64), (3, 16 / 64)],
)
def test_zero_stages_divide_as_published(stage, bytes_per_parameter):
    """Rajbhandari et al. 2020, figure 1: 7.5 B parameters on 64 GPUs take 120, 31.4, 16.6 and 1.9 GB."""
    memory = training_memory(Training(LLAMA, gpus=64, zero_stage=stage))
    gathered = 0
    if stage == 3:
        layer = sum(tensor.elements for tensor in LLAMA.tensors if tensor.layer == 0)
        gathered = 2 * 2 * layer  # the layer that runs and the one that is fetched
    total = memory.weights_bytes + memory.gradients_bytes + memory.optimizer_bytes - gathered
    assert total == pytest.approx(bytes_per_parameter * PARAMETERS, rel=1e-6)


def test_lora_trains_its_own_parameters_only():
    """PEFT prints 41,943,040 trainable parameters for rank 16 on all linear layers of Llama-3.1-8B."""
    memory = training_memory(Training(LLAMA, "lora", lora_rank=16))
    assert memory.trainable_parameters == 41_943_040
    assert memory.weights_bytes == 2 * (PARAMETERS + 41_943_040)
    assert memory.optimizer_bytes == 12 * 41_943_040


def test_qlora_keeps_the_base_in_four_bits():
    """Llama-3.1-8B in bitsandbytes 4 bit loads as 5.35 GiB (start-up log of vLLM)."""
    memory = training_memory(Training(LLAMA, "qlora"))
    assert (memory.weights_bytes - 2 * memory.trainable_parameters) / GIB == pytest.approx(5.35, rel=0.01)


def test_eight_bit_moments_take_a_quarter():
    plain = training_memory(Training(LLAMA, precision="bf16")).optimizer_bytes
    assert (
        training_memory(Training(LLAMA, optimizer="adamw-8bit", precision="bf16")).optimizer_bytes * 4
        == plain
    )


def test_checkpointing_keeps_one_input_per_layer():
    """Korthikanti et al. 2022: 2 bytes x tokens x hidden x layers, and one layer while it is recomputed."""
    full = training_memory(Training(LLAMA, sequence_tokens=8192, checkpointing="full"))
    none = training_memory(Training(LLAMA, sequence_tokens=8192, checkpointing="none"))
    inputs = 2 * 8192 * 4096 * 32
    one_layer = none.activations_bytes / 32
    assert full.activations_bytes == pytest.approx(inputs + one_layer, rel=1e-6)


@given(tokens=st.integers(1, 65536), batch=st.integers(1, 16), more=st.integers(1, 4096))
@settings(max_examples=30, deadline=None)
def test_longer_sequences_never_take_less(tokens, batch, more):
    short = training_memory(Training(LLAMA, sequence_tokens=tokens, micro_batch=batch))
    long = training_memory(Training(LLAMA, sequence_tokens=tokens + more, micro_batch=batch))
    assert long.total_bytes > short.total_bytes
    assert sum(long.parts().values()) == long.total_bytes


@given(gpus=st.integers(1, 512), stage=st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_more_gpus_never_raise_the_states_of_one(gpus, stage):
    few = Training(LLAMA, gpus=gpus, zero_stage=stage)
    many = replace(few, gpus=gpus * 2)
    assert training_memory(many).optimizer_bytes <= training_memory(few).optimizer_bytes


def test_wrong_input_is_refused():
    with pytest.raises(UnknownNameError, match="adamw"):
        training_memory(Training(LLAMA, optimizer="adam"))
    with pytest.raises(InferplanError, match="zero_stage is 4"):
        training_memory(Training(LLAMA, zero_stage=4))
    with pytest.raises(InferplanError, match="gpus is 0"):
        training_memory(Training(LLAMA, gpus=0))
