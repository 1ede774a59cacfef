"""A callback that runs twice, or is cut short by the second press, does its work once."""

from __future__ import annotations

from threading import Event, Thread

import pytest
from streamlit.testing.v1 import AppTest

from inferplan.dashboard import once as pressing


def script() -> None:
    import streamlit as st

    from inferplan.dashboard.once import once

    done = st.session_state.setdefault("done", [])

    def work(what: str) -> int:
        done.append(what)
        return len(done)

    for number, what in enumerate(st.session_state.presses):
        st.text(f"{number} {what}: {once(('save', what), lambda what=what: work(what))}")


def presses(*what: str) -> AppTest:
    app = AppTest.from_function(script)
    app.session_state["presses"] = what
    return app.run()


def test_the_second_press_gets_the_result_of_the_first() -> None:
    app = presses("a", "a")
    assert [text.value for text in app.text] == ["0 a: 1", "1 a: 1"]
    assert app.session_state["done"] == ["a"]


def test_another_action_in_between_makes_it_new() -> None:
    assert presses("a", "b", "a").session_state["done"] == ["a", "b", "a"]


def test_a_later_press_is_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressing, "DOUBLE_CLICK_S", 0.0)
    assert presses("a", "a").session_state["done"] == ["a", "a"]


def test_a_press_during_the_work_of_the_first_waits_for_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressing.st, "session_state", {})
    begun, go_on, results = Event(), Event(), []

    def work() -> object:
        begun.set()
        assert go_on.wait(timeout=10)
        return object()

    threads = [Thread(target=lambda: results.append(pressing.once("save", work))) for _ in range(2)]
    threads[0].start()
    assert begun.wait(timeout=10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(timeout=10)
    first, second = results
    assert first is second
