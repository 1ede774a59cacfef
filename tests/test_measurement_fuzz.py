"""Result files of load generators with any change: runs that are possible, or one error."""

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_uploads import write

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.measurements import read_file

SAMPLES = Path(__file__).parent / "data" / "measurements"
FILES = sorted(path.name for path in SAMPLES.iterdir() if path.suffix != ".md")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _paths(inner, (*path, key))
    return found


DOCUMENTS = {
    name: json.loads((SAMPLES / name).read_text())
    for name in FILES
    if name.endswith(".json") and "append" not in name
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(DOCUMENTS)), data=st.data())
def test_any_value_anywhere_gives_runs_or_one_error(name: str, data: st.DataObject, tmp_path: Path) -> None:
    document = json.loads(json.dumps(DOCUMENTS[name]))
    path = data.draw(st.sampled_from(_paths(document)[1:]))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = data.draw(JSON)
    _reads_or_refuses(write(tmp_path, "result.json", json.dumps(document)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([name for name in FILES if name.endswith(".csv")]), data=st.data())
def test_any_change_of_a_table_gives_runs_or_one_error(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    text = (SAMPLES / name).read_text()
    at = data.draw(st.integers(0, len(text)))
    inserted = data.draw(st.text(alphabet='",;\n\t\r x0-9.e', max_size=5) | st.text(max_size=3))
    changed = text[:at] + inserted + text[at + data.draw(st.integers(0, 9)) :]
    _reads_or_refuses(write(tmp_path, "result.csv", changed))


def _reads_or_refuses(path: Path) -> None:
    try:
        found = read_file(path)
    except InferplanError:
        return
    for run in found.runs:
        figures = (run.load.ttft_s, run.load.tpot_s, run.load.output_tokens_per_s)
        assert any(figure is not None and 0 < figure <= 1e9 for figure in figures)
