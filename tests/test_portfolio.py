"""A portfolio is served by the cheapest whole machines: as cheap as trying every choice of offers."""

import itertools
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from inferplan.dashboard.__main__ import cli
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.compare import Comparison, Search, compare
from inferplan.planner.fleet_choice import cheapest_fleet, machines_needed
from inferplan.planner.portfolio import Portfolio

MODELS: list[dict[str, Any]] = [
    {
        "share": 0.5,
        "model": "Qwen/Qwen3-32B",
        "weights_dtype": "fp8",
        "input_tokens": 2000,
        "output_tokens": 300,
    },
    {"share": 0.3, "model": "meta-llama/Llama-3.1-8B-Instruct", "input_tokens": 1000, "output_tokens": 200},
    {"share": 0.2, "model": "openai/gpt-oss-20b", "input_tokens": 500, "output_tokens": 400},
]
DOCUMENT: dict[str, Any] = {
    "requests_per_s": 12.0,
    "models": [{**model, "max_model_len": 8192, "slo": {"tpot_s": 0.05}} for model in MODELS],
}
PRICES = (("H100 SXM", 8, "20"), ("H100 SXM", 1, "3.2"), ("L40S", 4, "5"), ("A100 SXM 80GB", 8, "12"))


def an_offer(gpu: str, gpu_count: int, usd_per_hour: str) -> Offer:
    return Offer(
        provider="test", instance_type=f"{gpu_count} x {gpu}", gpu=gpu, gpu_count=gpu_count, region="here",
        purchase_option="on_demand", usd_per_hour=Decimal(usd_per_hour), observed_on=date(2026, 11, 1),
        date_basis="test", source="a test",
    )  # fmt: skip


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse.open(":memory:") as opened:
        yield opened


def compared(
    warehouse: Warehouse, portfolio: Portfolio, prices: tuple[tuple[str, int, str], ...]
) -> Comparison:
    search = Search(tensor_parallel=(1, 2), concurrencies=(16, 64, 256))
    return compare(warehouse, portfolio.cases(), [an_offer(*price) for price in prices], search)


def packed(pieces: list[int], capacity: int) -> int:
    """Return the fewest machines for ``pieces``, by trying every one in every place."""
    best = len(pieces)

    def place(index: int, free: list[int]) -> None:
        nonlocal best
        if len(free) >= best:
            return
        if index == len(pieces):
            best = len(free)
            return
        for number in {left: at for at, left in enumerate(free) if left >= pieces[index]}.values():
            place(index + 1, [left - pieces[index] * (at == number) for at, left in enumerate(free)])
        place(index + 1, [*free, capacity - pieces[index]])

    place(0, [])
    return best


def every_choice(found: Comparison, members: int) -> Decimal:
    """Return the least USD per hour over all choices of a row per model, machines packed for each offer."""
    rows = [found.sizes[found.sizes["case_index"] == index].to_dict("records") for index in range(members)]
    costs = []
    for choice in itertools.product(*rows):
        total = Decimal(0)
        for offer_id in {row["offer_id"] for row in choice}:
            here = [row for row in choice if row["offer_id"] == offer_id]
            pieces = [int(row["gpus"]) for row in here for _ in range(int(row["replicas"]))]
            machines = packed(sorted(pieces, reverse=True), int(here[0]["gpu_count"]))
            total += machines * here[0]["machine_usd_per_hour"]
        costs.append(total)
    return min(costs)


@pytest.mark.parametrize("rate", [1.0, 12.0])
@pytest.mark.parametrize("offers", [PRICES, PRICES[:1], PRICES[2:]])
def test_no_choice_of_offers_is_cheaper(
    warehouse: Warehouse, rate: float, offers: tuple[tuple[str, int, str], ...]
) -> None:
    portfolio = Portfolio.read({**DOCUMENT, "requests_per_s": rate})
    found = compared(warehouse, portfolio, offers)
    fleet = cheapest_fleet(portfolio, found)
    assert fleet.usd_per_hour == every_choice(found, len(MODELS))
    assert fleet.usd_per_hour <= fleet.apart_usd_per_hour
    placed = sorted(one.row["case_index"] for buy in fleet.purchases for one in buy.placements)
    assert placed == [0, 1, 2]
    assert all(buy.gpus_idle >= 0 for buy in fleet.purchases)


def test_models_share_a_machine_that_each_alone_would_leave_empty(warehouse: Warehouse) -> None:
    portfolio = Portfolio.read({**DOCUMENT, "requests_per_s": 1.0})
    fleet = cheapest_fleet(portfolio, compared(warehouse, portfolio, PRICES[:1]))
    (purchase,) = fleet.purchases
    assert (purchase.machines, purchase.usd_per_hour) == (1, Decimal(20))
    assert fleet.apart_usd_per_hour == Decimal(60)
    assert fleet.usd_per_month == Decimal("14600.00")
    tokens_per_s = 0.5 * 2300 + 0.3 * 1200 + 0.2 * 900
    assert fleet.usd_per_mtok == pytest.approx(20 / 3600 / tokens_per_s * 1e6)


@pytest.mark.parametrize("machine_gpus", [4, 8])
def test_packing_of_sizes_that_divide_each_other_is_exact(machine_gpus: int) -> None:
    for counts in itertools.product((0, 1, 3), (0, 2, 3), (0, 1, 2)):
        sizes = list(zip((4, 2, 1), counts, strict=True))
        pieces = [gpus for gpus, count in sizes for _ in range(count)]
        assert machines_needed(sizes, machine_gpus) == packed(pieces, machine_gpus)
    assert machines_needed([(2, 10**9)], 8) == 250_000_000


def test_a_model_that_nothing_serves_is_named_with_the_reason(warehouse: Warehouse) -> None:
    models = [*DOCUMENT["models"][:2], {**DOCUMENT["models"][2], "slo": {"tpot_s": 1e-6}}]
    portfolio = Portfolio.read({"requests_per_s": 1, "models": models})
    with pytest.raises(
        InferplanError, match=r"no offer serves openai/gpt-oss-20b .* misses the latency target"
    ):
        cheapest_fleet(portfolio, compared(warehouse, portfolio, PRICES))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"models": []}, "members"),
        ({"models": {}}, 'a list "models"'),
        ({"models": DOCUMENT["models"] * 3}, "at most 8"),
        ({"models": [{**MODELS[0], "share": 0.9}]}, "must sum to 1, they sum to 0.9"),
        ({"models": [{**MODELS[0], "share": 1, "shape": 3}]}, "model 1: .*shape"),
        ({"models": [{"model": "Qwen/Qwen3-32B"}]}, 'model 1: give an object with a "share"'),
        ({"requests_per_s": 0}, "requests_per_s"),
        ({"requests_per_second": 3}, "requests_per_second"),
    ],
)
def test_a_wrong_document_says_what_is_wrong(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InferplanError, match=says):
        Portfolio.read({**DOCUMENT, **change})


def test_a_document_survives_being_written_and_read() -> None:
    portfolio = Portfolio.read(DOCUMENT)
    assert Portfolio.read(json.loads(portfolio.document())) == portfolio
    rates = [case.request_rate for case in portfolio.cases()]
    assert rates == pytest.approx([6.0, 3.6, 2.4])


def test_the_command_line_answers_for_a_file_with_exact_money(tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    arguments = ["compare", "--portfolio", str(file), "--provider", "aws", "--purchase-option", "on_demand"]
    answer = json.loads(CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False).output)
    bought = answer["purchases"]
    assert sum(Decimal(row["usd_per_hour"]) for row in bought) == Decimal(answer["usd_per_hour"])
    assert sum(Decimal(row["usd_per_month"]) for row in bought) == Decimal(answer["usd_per_month"])
    assert [row["model"] for row in answer["models"]].count("Qwen/Qwen3-32B") == 1
    assert all(row["source"] and row["price_date"] for row in bought)
    table = CliRunner().invoke(cli, arguments, catch_exceptions=False).output
    assert all(row["offer"] in table for row in bought)
    file.write_text("{", encoding="utf-8")
    with pytest.raises(InferplanError, match=r"models\.json: not JSON"):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
