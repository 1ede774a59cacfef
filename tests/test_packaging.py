"""The wheel ships every package and every data file of the checkout, under our namespace only."""

import tomllib
from importlib.metadata import files, packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("dashboard", "datasets", "planner", "pricing")


def test_every_package_folder_is_listed() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(config["tool"]["setuptools"]["packages"])
    found = {
        "inferplan." + ".".join(init.parent.relative_to(ROOT).parts)
        for top in FLOORS
        for init in (ROOT / top).rglob("__init__.py")
    }
    assert found == listed


def test_no_top_level_name_collides_with_packages_that_users_have() -> None:
    owners = packages_distributions()
    for name in FLOORS:
        assert "inferplan" not in owners.get(name, ()), name
    assert files("inferplan") is not None
