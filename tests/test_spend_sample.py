"""The sample fleet's bill, its showback and rates, and a budget for it."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from inferplan.datasets import samples
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.uploads.landing import list_imports
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.spend import spend
from inferplan.planner.spend_rates import effective_rates
from inferplan.planner.spend_showback import showback
from inferplan.planner.spend_store import budgets, set_budget


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse.open(MEMORY) as opened:
        yield opened


def test_showback_sums_to_the_bill_under_every_rule(warehouse: Warehouse) -> None:
    samples.load(warehouse)
    (found,) = spend(warehouse).statements
    for costs in found.costs.values():
        for rule in ("cost", "even", "none"):
            rows = showback(costs, rule)
            assert sum(row.total for row in rows) == found.effective_cost
    named = {row.name: row for row in showback(found.costs["team"], "even")}
    assert None not in named
    assert len({row.shared_out for row in named.values()}) == 1
    nobody = {row.name: row for row in showback(found.costs["team"], "none")}[None]
    assert nobody.direct == found.parts["unused_commitment"] + found.parts["shared"]


def test_the_sample_bill_has_every_part_and_goes_out_with_the_fleet(warehouse: Warehouse) -> None:
    samples.load(warehouse)
    found = spend(warehouse)
    assert found.is_sample
    assert {one.reason for one in found.statements[0].unjoined} == {
        "tax", "credit", "purchase", "no_gpu", "no_resource", "no_usage", "not_seen", "unused",
    }  # fmt: skip
    assert [one.machine for one in found.list_prices] == ["sample-rerank-0"]
    rate = effective_rates(warehouse).of("sample-big-0")
    assert rate is not None
    assert (rate.committed_share, rate.list_per_gpu_hour) == (1.0, Decimal("6.880000"))
    assert rate.per_gpu_hour == Decimal("4.265417")
    samples.remove(warehouse)
    assert not spend(warehouse).statements
    assert not list_imports(warehouse)


def test_a_budget_is_remembered_by_currency(warehouse: Warehouse) -> None:
    set_budget(warehouse, "USD", Decimal("1000.50"))
    set_budget(warehouse, "EUR", Decimal(7))
    set_budget(warehouse, "EUR", None)
    assert budgets(warehouse) == {"USD": Decimal("1000.50")}
    with pytest.raises(InferplanError, match="above 0"):
        set_budget(warehouse, "USD", Decimal(-1))
