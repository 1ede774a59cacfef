"""Commitments: the quantile rule against brute force, and sums that reconcile to the cent."""

import random
from decimal import Decimal

import pytest

from inferplan.datasets.errors import InferplanError
from inferplan.pricing.commitments import (
    Term,
    Use,
    best_commitment,
    bill,
    blended_usd_per_hour,
    break_even_utilization,
    recommend,
)
from inferplan.pricing.conditions import NegotiatedTerms, useful_spot_usd_per_hour

LIST = Decimal("55.04")  # p5.48xlarge, us-east-1, on demand
THREE_YEARS = Decimal("23.7773")  # standard RI, no upfront, three years


def series(seed: int) -> list[int]:
    drawn = random.Random(seed)
    return [drawn.randint(0, 12) for _ in range(drawn.randint(1, 60))]


def cost(demand: list[int], committed: Decimal, price: Decimal, committed_price: Decimal) -> Decimal:
    """The definition, hour by hour, on its own."""
    return sum(
        (committed * committed_price + max(Decimal(0), hour - committed) * price for hour in demand),
        Decimal(0),
    )


@pytest.mark.parametrize("seed", range(60))
def test_the_quantile_is_the_cheapest_commitment(seed: int) -> None:
    demand = series(seed)
    committed_price = LIST * Decimal(random.Random(seed).randint(1, 130)) / 100
    [best] = recommend(demand, LIST, [Term("term", committed_price, Decimal(1))])
    brute = min(cost(demand, Decimal(machines), LIST, committed_price) for machines in range(14))
    assert best.bill.total_usd == brute
    assert cost(demand, best.machines, LIST, committed_price) == brute


@pytest.mark.parametrize("seed", range(20))
def test_fractional_demand_and_commitment_too(seed: int) -> None:
    drawn = random.Random(seed)
    demand = [drawn.randint(0, 40) / 4 for _ in range(24)]
    [best] = recommend(demand, LIST, [Term("t", LIST / 2, Decimal(1))], whole_machines=False)
    eighths = (Decimal(step) / 8 for step in range(90))
    assert best.bill.total_usd == min(bill(demand, choice, LIST, LIST / 2).total_usd for choice in eighths)


@pytest.mark.parametrize("seed", range(30))
def test_the_parts_of_a_bill_reconcile_to_the_cent(seed: int) -> None:
    demand = series(seed)
    committed = random.Random(seed).randint(0, 12)
    found = bill(demand, committed, LIST, THREE_YEARS)
    assert found.total_usd == cost(demand, Decimal(committed), LIST, THREE_YEARS)
    served = Decimal(sum(min(hour, committed) for hour in demand))
    if found.coverage is not None:
        assert abs(found.coverage * sum(demand) - served) < Decimal("1e-20")
    if found.utilization is not None:
        assert abs(found.utilization * committed * len(demand) - served) < Decimal("1e-20")
    hours = sum(demand) - served + committed * len(demand)
    uses = [Use(sum(demand) - served, LIST), Use(Decimal(committed * len(demand)), THREE_YEARS)]
    blended = blended_usd_per_hour(uses)
    if blended is not None:
        assert (blended * hours).quantize(Decimal("0.01")) == found.total_usd.quantize(Decimal("0.01"))


def test_the_published_discount_gives_the_textbook_answer() -> None:
    # 1 - 23.7773 / 55.04 = 0.568: commit to what is exceeded in 43.2 % of the hours.
    assert round(break_even_utilization(LIST, THREE_YEARS), 3) == Decimal("0.432")
    office_hours = [2] * 14 + [10] * 10
    [best] = recommend(office_hours, LIST, [Term("3 years", THREE_YEARS, Decimal(3))])
    assert best.machines == 2, "ten machines are wanted in 41.7 % of the hours only"
    busier = [2] * 13 + [10] * 11
    [best] = recommend(busier, LIST, [Term("3 years", THREE_YEARS, Decimal(3))])
    assert best.machines == 10, "now in 45.8 %"


def test_regret_is_what_a_fall_of_demand_costs() -> None:
    [best] = recommend([10] * 100, Decimal(10), [Term("1 year", Decimal(6), Decimal(1))])
    assert best.machines == 10
    assert best.saved_usd == 10 * 100 * (10 - 6)
    # With 7 wanted, 10 are paid: 6000 against 7000 on demand and 4200 for the right 7.
    assert best.saved_usd_if_demand_falls == 1000
    assert best.regret_usd_if_demand_falls == 1800
    assert best.bill.coverage == best.bill.utilization == 1


def test_terms_come_cheapest_first_and_a_dear_one_is_not_taken() -> None:
    terms = [
        Term("dear", Decimal(11), Decimal(1)),
        Term("1 year", Decimal(6), Decimal(1)),
        Term("3 years", Decimal(4), Decimal(3)),
    ]
    found = recommend([5, 5, 5, 5], Decimal(10), terms)
    assert [(best.term.name, best.machines) for best in found] == [("3 years", 5), ("1 year", 5), ("dear", 0)]
    assert found[-1].bill.utilization is None


@pytest.mark.parametrize(
    ("demand", "expected"), [([], "at least one hour"), ([1, -2], "hour 1"), ([float("nan")], "hour 0")]
)
def test_a_series_that_is_none_is_refused(demand: list[float], expected: str) -> None:
    with pytest.raises(InferplanError, match=expected):
        best_commitment(demand, Decimal("0.3"))


def test_an_unknown_price_is_refused() -> None:
    with pytest.raises(InferplanError, match="unknown price"):
        recommend([1], Decimal(10), [Term("t", Decimal(0), Decimal(1))])


def test_conditions_of_a_contract() -> None:
    assert NegotiatedTerms(Decimal(10), Decimal(3)).applied_to(LIST) == LIST * Decimal("0.9") * Decimal(
        "1.03"
    )
    with pytest.raises(InferplanError, match="discount lies between"):
        NegotiatedTerms(Decimal(100)).applied_to(LIST)
    # Two interruptions a day that lose 15 minutes each: 2 / 24 * 0.25 = 2.08 % waste.
    dearer = useful_spot_usd_per_hour(Decimal(24), Decimal(2) / 24, Decimal("0.25"))
    assert round(dearer, 4) == Decimal("24.5106")
    with pytest.raises(InferplanError, match="nothing useful is left"):
        useful_spot_usd_per_hour(Decimal(24), Decimal(1), Decimal(1))
