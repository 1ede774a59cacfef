"""Charts are true to their numbers and leave every colour to the theme of whoever shows them."""

import json
import re

import pandas as pd
import pytest

from inferplan.dashboard import charts
from inferplan.dashboard.prices import charts as price_charts
from inferplan.dashboard.rightsizing import usage_charts
from inferplan.dashboard.spend import charts as spend_charts
from inferplan.dashboard.spend.words import TITLES
from inferplan.datasets.schema import GIB

PARTS = {
    "weights": 60 * GIB,
    "activations": 2 * GIB,
    "CUDA graphs": 0,
    "KV cache": 10 * GIB,
    "unused": 8 * GIB,
}
POINTS = [
    {
        "tokens_per_s": speed,
        "usd_per_mtok_output": usd,
        "gpu": gpu,
        "label": gpu,
        "pareto": best,
        "concurrency": 1,
    }
    for speed, usd, gpu, best in (
        (20.0, 0.5, "A", True),
        (50.0, 2.0, "B", True),
        (30.0, 9.0, "C", False),
    )
]


def rows(spec: dict) -> list[dict]:
    return spec["datasets"][spec["data"]["name"]]


def test_the_parts_of_a_gpu_are_stacked_without_gap_to_its_total() -> None:
    drawn = rows(charts.memory_parts(PARTS, 80 * GIB).to_dict())
    assert [row["name"] for row in drawn] == ["weights", "activations", "KV cache", "unused"]
    assert [row["start"] for row in drawn[1:]] == [row["end"] for row in drawn[:-1]]
    assert drawn[-1]["end"] == pytest.approx(80)


def test_what_does_not_fit_reaches_beyond_a_mark_where_the_gpu_ends() -> None:
    spec = charts.memory_parts({**PARTS, "KV cache": -30 * GIB}, 40 * GIB).to_dict()
    end = rows(spec)[-1]
    assert (end["start"] + end["end"]) / 2 == pytest.approx(40)
    assert spec["encoding"]["x"]["scale"]["domain"] == [0, pytest.approx(70)]
    assert "KV cache" not in [row["name"] for row in rows(spec)]


def test_a_part_keeps_its_colour_when_another_is_absent() -> None:
    def place(parts: dict[str, int], name: str) -> int:
        domain = charts.memory_parts(parts, 80 * GIB).to_dict()["encoding"]["color"]["scale"]["domain"]
        return next(number for number, label in enumerate(domain) if label.startswith(name))

    fewer = {name: size for name, size in PARTS.items() if name != "activations"}
    assert place(PARTS, "unused") == place(fewer, "unused")


def test_a_gpu_that_is_never_the_best_shares_one_colour() -> None:
    spec = charts.cost_against_speed(POINTS, 25.0).to_dict()
    marks = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "point")
    assert marks["encoding"]["color"]["scale"]["domain"] == ["A", "B", charts.OTHER_GPUS]


@pytest.mark.parametrize(
    "chart",
    [charts.memory_parts(PARTS, 80 * GIB), charts.cost_against_speed(POINTS, None)],
    ids=["memory", "cost"],
)
def test_no_chart_names_a_colour(chart: object) -> None:
    spec = chart.to_dict()
    spec.pop("config", None)
    assert re.search(r"#[0-9a-fA-F]{3,8}\b|\brgb\(", json.dumps(spec)) is None


def test_times_are_drawn_in_utc_as_their_titles_say_wherever_the_reader_is() -> None:
    at = pd.DataFrame(
        [{"at": "2026-11-01T00:00:00Z", "low": 0.1, "mean": 0.2, "high": 0.3, "gap": 0}],
    )
    usage = usage_charts.usage_series(at, "SM active", None, is_share=True).to_dict()
    assert usage["title"] == "SM active, UTC"
    for layer in usage["layer"]:
        assert layer["encoding"]["x"]["scale"]["type"] == "utc"
    assert usage["layer"][1]["encoding"]["tooltip"][0]["timeUnit"].startswith("utc")
    seen = [{"seen": "2026-11-01", "usd_per_gpu_hour": 2.0, "source": "s"}]
    for layer in price_charts.price_history(seen).to_dict()["layer"]:
        times = (layer["encoding"]["x"], layer["encoding"]["tooltip"][0])
        assert all(one["timeUnit"].startswith("utc") for one in times)


def test_a_part_of_the_bill_is_as_green_over_time_as_in_the_waterfall() -> None:
    whole = {"label": "Useful", "start": 0.0, "end": 5.0, "amount": 5.0, "kind": "used"}
    day = {"at": "2026-11-01", "part": "Useful", "amount": 5.0, "rank": 0}
    places = [
        chart.to_dict()["encoding"]["color"]["scale"]["domain"].index(name)
        for chart, name in (
            (spend_charts.parts_of_cost([whole], "USD"), "used"),
            (spend_charts.cost_over_time([day], TITLES, "USD"), "Useful"),
        )
    ]
    assert places[0] == places[1]
    assert sorted(spend_charts.PARTS) == sorted(TITLES)
