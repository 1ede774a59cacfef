"""Names as people and drivers write them lead to one fact, or to the nearest ones."""

import subprocess
import sys

import pytest

from inferplan.datasets import catalog
from inferplan.datasets.errors import UnknownNameError

MIB = 2**20


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("H100 SXM", "H100 SXM"),
        ("h100 sxm5", "H100 SXM"),
        ("H100", "H100 SXM"),
        ("A100 80GB", "A100 SXM 80GB"),
        ("a100-sxm-40gb", "A100 SXM 40GB"),
        ("MI300x", "MI300X"),
        ("RTX 4090 24GB", "RTX 4090"),
        ("RTX6000-Ada", "RTX 6000 Ada"),
        ("nvidia l40s", "L40S"),
        ("dgx spark", "GB10 (DGX Spark)"),
    ],
)
def test_a_gpu_is_found_under_the_names_in_use(written: str, name: str) -> None:
    assert catalog.gpu(written).name == name


@pytest.mark.parametrize(
    ("reported", "memory_mib", "name"),
    [
        ("NVIDIA H100 80GB HBM3", 81559, "H100 SXM"),
        ("NVIDIA H100 PCIe", 81559, "H100 PCIe"),
        ("NVIDIA H100 NVL", 95830, "H100 NVL"),
        ("NVIDIA A100-SXM4-80GB", 81920, "A100 SXM 80GB"),
        ("NVIDIA A100-PCIE-40GB", 40960, "A100 PCIe 40GB"),
        ("NVIDIA A100 80GB PCIe", None, "A100 PCIe 80GB"),
        ("Tesla V100-SXM2-16GB", 16160, "V100 SXM 16GB"),
        ("Tesla T4", 15360, "T4"),
        ("NVIDIA GeForce RTX 4090", 24564, "RTX 4090"),
        ("NVIDIA RTX 6000 Ada Generation", 49140, "RTX 6000 Ada"),
        ("NVIDIA GH200 480GB", 97871, "GH200 96GB"),
        ("NVIDIA B300 SXM6 AC", 275040, "B300"),
        ("AMD Instinct MI300X", None, "MI300X"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 9984, "H100 SXM"),
        ("NVIDIA-H100-80GB-HBM3", None, "H100 SXM"),  # Kubernetes' label
        ("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", None, "A100 SXM 80GB"),
        ("NVIDIA-L40S-SHARED", None, "L40S"),
        ("nvidia-h200-141gb", None, "H200 SXM"),  # Google Cloud's
        ("NVIDIA V100", 32768, "V100 SXM 32GB"),  # the memory settles which
    ],
)
def test_a_driver_s_name_is_recognised(reported: str, memory_mib: int | None, name: str) -> None:
    found = catalog.gpu_by_driver_name(reported, memory_mib * MIB if memory_mib else None)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "reported", ["NVIDIA A100", "GRID T4-16Q", "NVIDIA GeForce RTX 3090 Ti", "llvmpipe", "", "NVIDIA"]
)
def test_a_doubtful_driver_name_is_not_guessed(reported: str) -> None:
    assert catalog.gpu_by_driver_name(reported) is None


def test_an_ambiguous_gpu_offers_every_variant() -> None:
    with pytest.raises(UnknownNameError, match="A100 SXM 80GB") as caught:
        catalog.gpu("A100")
    assert set(caught.value.nearest) == {f"A100 {form} {gb}GB" for form in ("SXM", "PCIe") for gb in (40, 80)}


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"meta-llama/Llama-3\.3-70B-Instruct"):
        catalog.model_config("meta-llama/Llama-3.3-70B-Instuct")
    with pytest.raises(UnknownNameError, match="H200 SXM"):
        catalog.gpu("H200 SXN")


def test_a_model_is_found_in_any_case_and_without_its_organisation() -> None:
    assert catalog.model_id("QWEN/qwen3-8b") == "Qwen/Qwen3-8B"
    assert catalog.model_config("llama-3.3-70b-instruct")["num_hidden_layers"] == 80


def test_a_config_is_the_caller_s_own_copy() -> None:
    first = catalog.model_config("google/gemma-3-27b-it")
    first["text_config"]["hidden_size"] = -1
    assert catalog.model_config("google/gemma-3-27b-it")["text_config"]["hidden_size"] == 5376


def test_an_accelerator_without_a_driver_total_says_so() -> None:
    gpu = catalog.gpu("MI250X")
    assert gpu.memory_total_bytes == 128 * 10**9
    assert gpu.memory_total_basis.startswith("not known")


def test_listing_models_reads_no_file_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from inferplan.datasets import catalog; n = len(catalog.models());"
        "heavy = {'pandas', 'duckdb', 'streamlit', 'boto3', 'altair', 'numpy'} & set(sys.modules);"
        "print(n, heavy or '', catalog._model_file.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(catalog.models())), "0"]
