"""Bills read in SQL: every cell says what it says one by one, whatever stands in the others."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import CancelledError, Progress, import_file, inspect
from inferplan.datasets.uploads.refusals import MAX_REJECTS
from inferplan.datasets.warehouse import MEMORY, Warehouse

BAD = object()
AMOUNTS = [
    ("12.5", "12.5"), ("-0.1234567891", "-0.1234567891"), ("1e-5", "0.00001"), ("1E3", "1000"),
    ("+.5", "0.5"), ("1_000", "1000"), ("1__0", "10"), ("١", "1"), (" 7\t", "7"),
    ("0.12345678905", "0.1234567891"),
    ("999999999999999.9999999999", "999999999999999.9999999999"), ("1e-40", "0"), ("", None), ("NULL", None),
    ("n/a", None), ("nan", None), ("Inf", BAD), ("1e15", BAD), ("1e400", BAD), ("1,5", BAD), ("0x10", BAD),
    ("$5", BAD), ("(5)", BAD), ("1 000", BAD),
]  # fmt: skip
TIMES = [
    ("2026-10-01T00:00:00Z", "2026-10-01 00:00"), ("2026-10-01 01:00:00", "2026-10-01 01:00"),
    ("2026-10-01T02:00:00+02:00", "2026-10-01 00:00"), ("2026-10-01T03:00Z", "2026-10-01 03:00"),
    ("2026-10-02", "2026-10-02 00:00"), ("", BAD), ("NULL", BAD), ("2199-01-01", BAD), ("01/10/2026", BAD),
    ("1790812800", BAD),
]  # fmt: skip
TAGS = [
    ("", {}), ("null", {}), ('{"team": "a", "n": 1}', {"team": "a", "n": 1}),
    ("{'Owner': 'b'}", {"Owner": "b"}), ('"team": "d","x": "y"', {"team": "d", "x": "y"}),
    ('[{"key": "team", "value": "c"}]', {"team": "c"}), ("{broken", {}), ('{"team": "日本, \n"}', {}),
]  # fmt: skip
TEXTS = [
    ("i-1", "i-1"),
    (" a,b ", "a,b"),
    ('say "x"', 'say "x"'),
    ("two\nlines", "two\nlines"),
    ("None", None),
]
CELLS = {
    "ChargePeriodStart": TIMES, "ChargePeriodEnd": TIMES, "BilledCost": AMOUNTS, "EffectiveCost": AMOUNTS,
    "ListCost": AMOUNTS, "Tags": TAGS, "ResourceId": TEXTS, "x_Other": TEXTS,
}  # fmt: skip
NEEDED = ("ChargePeriodStart", "ChargePeriodEnd", "BilledCost", "EffectiveCost")
USUAL = {"ChargeCategory": "Usage", "BillingCurrency": "USD"}
LANDED = (
    "SELECT period_start, period_end, billed_cost, effective_cost, list_cost, tags, resource_id "
    "FROM bill_lines ORDER BY line"
)


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse.open(MEMORY) as opened:
        yield opened


def written(rows: list[dict[str, str]], delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def expected(said: dict[str, object]) -> tuple[object, ...] | None:
    """Return the row that lands, ``None`` where the line is refused."""
    if any(one is BAD for one in said.values()) or any(said[name] is None for name in NEEDED):
        return None
    times = [datetime.fromisoformat(str(said[name])) for name in NEEDED[:2]]
    amounts = [said[name] and Decimal(str(said[name])) for name in (*NEEDED[2:], "ListCost")]
    return (*times, *amounts, said["Tags"], said["ResourceId"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {name: st.one_of(st.just(cells[0]), st.sampled_from(cells)) for name, cells in CELLS.items()}
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(",;|"),
)
def test_each_row_lands_or_is_refused_by_what_its_cells_say(
    tmp_path: Path, rows: list[dict[str, tuple[str, object]]], delimiter: str
) -> None:
    path = tmp_path / "bill.csv"
    content = [USUAL | {name: text for name, (text, _) in row.items()} for row in rows]
    path.write_text(written(content, delimiter))
    wanted = [expected({name: said for name, (_, said) in row.items()}) for row in rows]
    kept = [row for row in wanted if row]
    ends = [written([row], delimiter).count("\n") - 1 for row in content]
    lines = [1 + sum(ends[: place + 1]) for place, row in enumerate(wanted) if not row]
    with Warehouse.open(MEMORY) as base:
        if not kept:
            with pytest.raises(InferplanError, match="holds nothing that we can use"):
                import_file(base, path)
            return
        report = import_file(base, path).parsed
        landed = base.rows(LANDED)
    assert [(*row[:5], json.loads(row[5]), row[6]) for row in landed] == kept
    assert (report.rows_read, report.values_kept, report.rows_refused) == (len(rows), len(kept), len(lines))
    assert [one.line for one in report.problems] == lines
    assert (report.first_at, report.last_at) == (min(row[0] for row in kept), max(row[1] for row in kept))


CUR_LINE = {
    "line_item_line_item_type": "Usage", "line_item_unblended_cost": "98.32",
    "line_item_currency_code": "USD",
    "line_item_usage_start_date": "2026-10-01T12:00:00Z", "line_item_usage_end_date": "2026-10-01T13:00:00Z",
    "savings_plan_savings_plan_effective_cost": "", "savings_plan_total_commitment_to_date": "",
    "reservation_effective_cost": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("SavingsPlanCoveredUsage", "savings_plan_savings_plan_effective_cost"),
        ("SavingsPlanRecurringFee", "savings_plan_total_commitment_to_date"),
        ("DiscountedUsage", "reservation_effective_cost"),
    ],
)
def test_what_a_commitment_costs_is_never_taken_for_nothing(
    tmp_path: Path, warehouse: Warehouse, kind: str, column: str
) -> None:
    path = tmp_path / "cur.csv"
    covered = CUR_LINE | {"line_item_line_item_type": kind}
    path.write_text(written([CUR_LINE, covered, covered | {column: "58.99"}, CUR_LINE | {column: "rubbish"}]))
    report = import_file(warehouse, path).parsed
    assert report.problems == ((3, f"{column} is empty"),)
    costs = warehouse.rows("SELECT effective_cost FROM bill_lines ORDER BY line")
    assert [float(cost) for (cost,) in costs] == [98.32, 58.99, 98.32]


FOCUS_LINE = {
    "ChargePeriodStart": "2026-10-01T00:00Z", "ChargePeriodEnd": "2026-10-02T00:00Z",
    "ChargeCategory": "Usage",
    "BilledCost": "88.1", "EffectiveCost": "88.1", "BillingCurrency": "EUR",
}  # fmt: skip
LEGACY_LINE = {
    "identity/LineItemId": "x", "lineItem/LineItemType": "Usage", "lineItem/UnblendedCost": "88.1",
    "lineItem/CurrencyCode": "EUR", "lineItem/UsageStartDate": "2026-10-01T00:00:00Z",
    "lineItem/UsageEndDate": "2026-10-02T00:00:00Z", "lineItem/ResourceId": "i-1",
    "product/instanceType": "p5.48xlarge", "resourceTags/user:Team": "llm", "resourceTags/aws:createdBy": "",
}  # fmt: skip
FLAVOURS = {
    "Azure": (
        FOCUS_LINE
        | {"ResourceId": "/subscriptions/1/virtualmachines/nc-1", "Tags": '{"team":"llm"}',
           "SkuPriceDetails": "NULL",
           "x_SkuDetails": '{"VCPUs":24,"ServiceType":"Standard_NC24ads_A100_v4"}'},
        ("/subscriptions/1/virtualmachines/nc-1", "Standard_NC24ads_A100_v4", None, "llm", {"team": "llm"}),
    ),
    "Azure's cost export, whose tags lack the braces": (
        FOCUS_LINE | {"ResourceId": "vm", "Tags": '"team": "llm","env": "prod"'},
        ("vm", None, None, "llm", {"team": "llm", "env": "prod"}),
    ),
    "Google": (
        FOCUS_LINE
        | {"ResourceId": "//compute/projects/p/instances/a3", "SkuPriceDetails": "",
           "Tags": '[{"key":"team","value":"llm","type":"label","inherited":false}]'},
        ("//compute/projects/p/instances/a3", None, None, "llm", {"team": "llm"}),
    ),
    "AWS": (
        FOCUS_LINE
        | {"ResourceId": "i-1", "Tags": '{"user:team":"llm"}',
           "SkuPriceDetails": '{"InstanceType":"p5.48xlarge","GpuCount":"8"}'},
        ("i-1", "p5.48xlarge", 8.0, "llm", {"user:team": "llm"}),
    ),
    "a CUR of before 2.0": (LEGACY_LINE, ("i-1", "p5.48xlarge", None, "llm", {"user:Team": "llm"})),
    "the same in Athena's names": (
        {name.replace("/", "_").replace(":", "_"): text for name, text in LEGACY_LINE.items()},
        ("i-1", "p5.48xlarge", None, "llm", {"user_Team": "llm"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_bills_of_all_providers_name_machine_and_team(
    tmp_path: Path, warehouse: Warehouse, flavour: str
) -> None:
    row, wanted = FLAVOURS[flavour]
    path = tmp_path / "bill.csv"
    path.write_text("\ufeff" + written([row]))
    import_file(warehouse, path)
    *found, said_tags = warehouse.rows(
        "SELECT currency, billed_cost, effective_cost, period_start, period_end, resource_id, instance_type, "
        "gpu_count, team, tags FROM bill_lines"
    )[0]
    assert tuple(found) == (
        "EUR", Decimal("88.1"), Decimal("88.1"), datetime(2026, 10, 1), datetime(2026, 10, 2), *wanted[:4],
    )  # fmt: skip
    assert json.loads(said_tags) == wanted[4]


def test_a_bill_in_parquet_says_what_it_says_in_csv(tmp_path: Path, warehouse: Warehouse) -> None:
    path = tmp_path / "cur.parquet"
    warehouse.execute(
        "COPY (SELECT 'Usage' AS line_item_line_item_type, 88.1::DOUBLE AS line_item_unblended_cost, "
        "1e-7::DOUBLE AS line_item_usage_amount, 'EUR' AS line_item_currency_code, i::VARCHAR AS "
        "line_item_resource_id, TIMESTAMP '2026-10-01' AS line_item_usage_start_date, "
        "TIMESTAMPTZ '2026-10-02 00:00:00+00' AS line_item_usage_end_date, "
        f"MAP {{'user_team': 'llm', 'n': i::VARCHAR}} AS resource_tags FROM range(3000) AS t(i)) TO '{path}'"
    )
    assert import_file(warehouse, path).parsed.values_kept == 3000
    assert warehouse.rows(
        "SELECT count(*), sum(effective_cost), min(quantity), min(period_start), max(period_end), "
        "count(*) FILTER (tags ->> 'n' = resource_id AND line = resource_id::INT + 1), max(team) "
        "FROM bill_lines"
    ) == [
        (3000, Decimal("264300"), Decimal("0.0000001"), datetime(2026, 10, 1), datetime(2026, 10, 2),
         3000, "llm")
    ]  # fmt: skip


def test_only_the_gpus_of_a_pod_are_gpu_hours(tmp_path: Path, warehouse: Warehouse) -> None:
    pod = CUR_LINE | {
        "line_item_resource_id": "arn:aws:eks:us-east-1:1:pod/prod/llm/llama-0/1",
        "line_item_unblended_cost": "", "line_item_usage_type": "",
        "split_line_item_parent_resource_id": "i-1", "split_line_item_split_cost": "2",
        "split_line_item_unused_cost": "0.5", "line_item_usage_amount": "8",
    }  # fmt: skip
    path = tmp_path / "cur.csv"
    kinds = ("USE1-EKS-EC2-GPU-Hours", "USE1-EKS-EC2-vCPU-Hours", "USE1-EKS-EC2-GB-Hours")
    path.write_text(written([pod | {"line_item_usage_type": kind} for kind in kinds]))
    report = import_file(warehouse, path).parsed
    assert (report.values_kept, report.notes) == (
        3, ("Split rows divide a machine among its pods: they are no extra money.",),
    )  # fmt: skip
    assert warehouse.rows(
        "SELECT cluster, namespace, pod, sum(gpu_hours), sum(total_cost) FROM cost_allocations GROUP BY ALL"
    ) == [("prod", "llm", "llama-0", 8.0, Decimal("7.5"))]


def test_lines_are_told_as_an_editor_numbers_them(tmp_path: Path, warehouse: Warehouse) -> None:
    good = USUAL | {name: cells[0][0] for name, cells in CELLS.items()}
    header, row = written([good]).splitlines()
    (tmp_path / "tall.csv").write_text("\n".join((header, row.replace("i-1", '"two\n\nlines"', 1), row, row)))
    assert inspect(tmp_path / "tall.csv").values_kept == 3  # the header is where it is
    tall, bad = row.replace("i-1", '"two\n\nlines"', 1), row.replace("12.5", "?", 1)
    path = tmp_path / "bill.csv"
    path.write_text("\n".join((header, tall, "too,short", "", bad, "," * row.count(","), tall, "short", bad)))
    report = import_file(warehouse, path).parsed
    assert [one.line for one in report.problems] == [5, 7, 12, 13]
    assert (report.rows_read, report.values_kept) == (6, 2)


def test_rows_that_repeat_another_are_told_and_count(tmp_path: Path, warehouse: Warehouse) -> None:
    path = tmp_path / "bill.csv"
    path.write_text(written([FOCUS_LINE, FOCUS_LINE | {"BilledCost": "88.2"}, FOCUS_LINE, FOCUS_LINE]))
    report = import_file(warehouse, path).parsed
    assert (report.values_kept, report.rows_refused) == (4, 0)
    assert [note[:51] for note in report.notes] == ["Lines that say the same as another one: 2. They cou"]


def test_faults_are_counted_once_however_often_the_file_is_read(tmp_path: Path, warehouse: Warehouse) -> None:
    good = USUAL | {name: cells[0][0] for name, cells in CELLS.items()}
    path = tmp_path / "bill.csv"
    most = MAX_REJECTS // (len(good) - 1)  # a fault for every cell that a line lacks
    for broken in (most - 10, most + 10):
        path.write_text(written([good, good | {"BilledCost": "?"}]) + "short\n" * broken)
        if broken < most:
            assert import_file(warehouse, path).parsed.rows_refused == broken + 1
    with pytest.raises(InferplanError, match="too many lines that are no rows"):
        inspect(path)


def test_a_bill_can_be_stopped_while_its_texts_are_read(tmp_path: Path, warehouse: Warehouse) -> None:
    good = USUAL | {name: cells[0][0] for name, cells in CELLS.items()}
    path = tmp_path / "bill.csv"
    path.write_text(written([good] * 5))
    progress = Progress()
    progress.cancel()
    with pytest.raises(CancelledError):
        import_file(warehouse, path, progress=progress)
    assert warehouse.rows("SELECT count(*) FROM bill_lines") == [(0,)]
