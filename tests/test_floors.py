"""The four floors: imports go down only, and each outside library has one door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {"datasets": 0, "pricing": 1, "planner": 2, "dashboard": 3}
MODULES = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]
BANNED_NAMES = {"utils", "util", "helpers", "common", "misc"}


def imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_keeps_its_floor(path: Path) -> None:
    relative = path.relative_to(ROOT)
    floor = relative.parts[0]
    assert path.stem not in BANNED_NAMES
    source = path.read_text(encoding="utf-8")
    for name in imported_names(ast.parse(source)):
        top, *rest = name.split(".")
        if top == "inferplan" and rest:
            assert FLOORS[rest[0]] <= FLOORS[floor], f"{relative} imports {name}, a floor above"
        if top == "streamlit":
            assert floor == "dashboard", f"{relative} imports streamlit"
        if top in {"boto3", "botocore"}:
            # prices and live CloudWatch pulls share one client, and so one limit on requests
            assert floor == "pricing" or relative.parts[:2] == ("datasets", "aws"), (
                f"{relative} imports {top}"
            )
        assert top not in FLOORS, f"{relative} imports {name} without the namespace"
    if relative != Path("datasets/warehouse.py"):
        assert "duckdb.connect(" not in source, f"{relative} opens a database beside the warehouse"


def test_reports_do_not_import_streamlit() -> None:
    for path in (ROOT / "dashboard" / "reports").glob("*.py"):
        assert not any(
            name.startswith("streamlit") for name in imported_names(ast.parse(path.read_text("utf-8")))
        )
