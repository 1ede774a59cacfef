"""Launch commands and manifests reproduce the deployment."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.planner.architecture import parse
from inferplan.planner.deployment import Deployment
from inferplan.planner.launch import (
    kserve_manifest,
    kserve_yaml,
    kubernetes_manifest,
    kubernetes_yaml,
    launch_command,
    launch_line,
    launch_notes,
)

LLAMA = "meta-llama/Llama-3.3-70B-Instruct"


def deploy(model: str = LLAMA, gpu: str = "H100 SXM", **fields: object) -> Deployment:
    return Deployment(parse(catalog.model_config(model), name=model), catalog.gpu(gpu), **fields)


def options(command: list[str]) -> dict[str, str]:
    return dict(pairwise(command))


FULL = {
    "tp": 4,
    "pp": 2,
    "weights_dtype": "fp8",
    "kv_dtype": "fp8",
    "max_model_len": 32768,
    "max_num_seqs": 64,
    "max_num_batched_tokens": 4096,
    "gpu_memory_utilization": 0.93,
    "enforce_eager": True,
}


def test_vllm_states_everything_that_was_chosen():
    command = launch_command(deploy(**FULL, engine_version="0.11.0"))
    assert command[:3] == ["vllm", "serve", LLAMA]
    found = options(command)
    assert found["--tensor-parallel-size"] == "4"
    assert found["--pipeline-parallel-size"] == "2"
    assert found["--quantization"] == "fp8"
    assert found["--kv-cache-dtype"] == "fp8"
    assert found["--max-model-len"] == "32768"
    assert found["--max-num-seqs"] == "64"
    assert found["--max-num-batched-tokens"] == "4096"
    assert found["--gpu-memory-utilization"] == "0.93"
    assert command[-1] == "--enforce-eager"


def test_defaults_are_left_to_the_engine():
    assert launch_command(deploy()) == ["vllm", "serve", LLAMA]


def test_a_checkpoint_that_is_quantized_is_loaded_as_it_is():
    command = launch_command(deploy("openai/gpt-oss-120b", weights_dtype="mxfp4"))
    assert command == ["vllm", "serve", "openai/gpt-oss-120b"]


def test_sglang():
    found = options(launch_command(deploy(**FULL, engine="sglang")))
    assert found["--tp-size"] == "4"
    assert found["--context-length"] == "32768"
    assert found["--mem-fraction-static"] == "0.93"
    assert found["--kv-cache-dtype"] == "fp8_e4m3"
    assert found["--chunked-prefill-size"] == "4096"


def test_tensorrt_llm():
    command = launch_command(deploy(**FULL, engine="tensorrt-llm"))
    assert command[:2] == ["trtllm-serve", LLAMA]
    found = options(command)
    assert found["--kv_cache_free_gpu_memory_fraction"] == "0.93"
    assert found["--max_seq_len"] == "32768"
    assert found["--tp_size"] == "4"


def test_llama_cpp_shares_its_context_among_slots():
    command = launch_command(
        deploy(engine="llama.cpp", weights_dtype="gguf-q4_k_m", max_model_len=8192, max_num_seqs=4)
    )
    found = options(command)
    assert found["-hf"] == f"{LLAMA}:Q4_K_M"
    assert found["--ctx-size"] == str(4 * 8192)
    assert found["--parallel"] == "4"


def test_a_shorter_context_replaces_the_chosen_one():
    assert (
        options(launch_command(deploy(max_model_len=131072), max_model_len=16000))["--max-model-len"]
        == "16000"
    )


def test_shell_line_survives_the_shell():
    deployment = deploy(**FULL)
    line = launch_line(deployment).replace(
        "vllm serve", f"{sys.executable} -c 'import sys; print(sys.argv[1:])'"
    )
    printed = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(launch_command(deployment)[2:])


def test_manifest_asks_for_the_gpus_and_runs_the_command():
    deployment = deploy(tp=4, dp=3, engine_version="0.11.0", max_model_len=32768)
    manifest = kubernetes_manifest(deployment)
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    assert manifest["spec"]["replicas"] == 3
    assert container["image"] == "vllm/vllm-openai:v0.11.0"
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "4"}
    assert container["args"][:6] == [
        "serve",
        LLAMA,
        "--tensor-parallel-size",
        "4",
        "--max-model-len",
        "32768",
    ]
    assert "--data-parallel-size" not in container["args"]
    labels = manifest["spec"]["template"]["metadata"]["labels"]
    assert manifest["spec"]["selector"]["matchLabels"] == labels


def test_kserve_runs_the_same_pod():
    deployment = deploy(tp=4, dp=2, engine_version="0.11.0", max_model_len=32768)
    predictor = kserve_manifest(deployment)["spec"]["predictor"]
    pod = kubernetes_manifest(deployment)["spec"]["template"]["spec"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, 2)
    assert {"containers": predictor["containers"], "volumes": predictor["volumes"]} == pod
    assert kserve_yaml(deployment).startswith('apiVersion: "serving.kserve.io/v1beta1"')


def test_amd_pods_ask_for_amd_gpus():
    container = kubernetes_manifest(deploy(gpu="MI300X", tp=2))["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"amd.com/gpu": "2"}


def test_yaml_says_the_same_as_the_manifest():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    deployment = deploy(tp=2, dp=2, engine="sglang", max_model_len=4096)
    assert yaml.safe_load(kubernetes_yaml(deployment)) == json.loads(
        json.dumps(kubernetes_manifest(deployment))
    )


def test_notes_say_what_a_command_cannot():
    notes = launch_notes(deploy(weights_dtype="awq-int4", tp=16))
    assert any("awq-int4" in note for note in notes)
    assert any("more than one machine" in note for note in notes)
    assert launch_notes(deploy(weights_dtype="fp8")) == ()


def test_a_model_without_a_name_cannot_be_started():
    nameless = Deployment(parse(catalog.model_config(LLAMA)), catalog.gpu("H100 SXM"))
    with pytest.raises(InferplanError, match="no name"):
        launch_command(nameless)
