"""Parts of the page Plans: the current plan's results, the list of saved plans, two plans side by side."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats, state
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.figures import show_figure
from inferplan.dashboard.plans import actions as plan_actions
from inferplan.dashboard.plans import change_views as plan_change_views
from inferplan.dashboard.plans import price_choice
from inferplan.dashboard.plans.figure_words import NOT_KNOWN, figure_text, label_text, number_text
from inferplan.dashboard.plans.report import comparison_report, plan_report
from inferplan.planner.plan import AnyPlan, plan_file
from inferplan.planner.plan_comparison import FigureDifference, PlanComparison
from inferplan.planner.plan_link import share_value
from inferplan.planner.plan_results import Figure, PlanResults, Results
from inferplan.planner.plan_store import PlanEntry

KEY = plan_actions.KEY
HEADLINES = (
    "Cost per month of 730 hours",
    "Output tokens",
    "Output throughput",
    "Time to first token",
    "Time per output token",
)
VERDICTS = {"fits": "It fits", "does not fit": "It does not fit", "unknown": "Not known"}
SHOWN_AT_ONCE = 12
ENTRY_WIDTH_PX = 640


def show_results(results: PlanResults) -> None:
    """Show the verdict and the headline figures, with what they rest on."""
    known = {figure.label: figure for figure in results.figures()}
    text = f"**{VERDICTS[results.verdict]}:** {formats.plain(results.fit_reason)}"
    if results.verdict == "fits":
        st.success(text, icon=":material/check_circle:")
    else:
        st.error(text, icon=":material/cancel:")
    with st.container(horizontal=True, gap="medium"):
        for label in HEADLINES:
            _show_headline(known[label])
    st.caption(_bases(results))
    if results.published_alone is not None:
        show_before_and_after(results.published_alone, results)
    if (newer := price_choice.current_price()) and results.plan.prices and newer != results.plan.prices[0]:
        with st.container(horizontal=True, vertical_alignment="center"):
            price = formats.usd(newer.usd_per_hour) if newer.usd_per_hour else "not offered any more"
            st.caption(formats.plain(f"The newest price is {price} per hour, seen {newer.observed_on}."))
            st.button(
                "Use the newest price", key=f"{KEY}newest_price", on_click=price_choice.use_current_price
            )


def _bases(results: PlanResults) -> str:
    """Return what cost and speed rest on, as sentences."""
    price, speed = results.price_basis, results.estimate_reason
    return " ".join(
        formats.sentence(reason if known is None else f"{name}: {reason}")
        for name, known, reason in (
            ("Price", results.usd_per_hour, price),
            ("Speed", results.estimate, speed),
        )
    )


def show_before_and_after(before: Results, after: Results) -> None:
    """Show which figures own measurements change."""
    known = [{figure.label: figure for figure in results.figures()} for results in (before, after)]
    rows = [
        (label_text(figure), formats.plain(figure_text(figure)), formats.plain(figure_text(known[1][label])))
        for label, figure in known[0].items()
        if label in known[1] and figure.value != known[1][label].value
    ]
    columns = ["Result", "From published runs alone", "Drawn to your measurements"]
    st.table(pd.DataFrame(rows, columns=columns).set_index("Result"), border="horizontal")


def show_share(results: Results, *, is_saved_as_shown: bool) -> None:
    """Show how to hand the current plan on: a link, a file, a report."""
    plan, made_at = results.plan, state.now()
    with st.container(horizontal=True):
        with st.popover("Share link", icon=":material/link:"):
            _show_link(plan, is_saved_as_shown=is_saved_as_shown)
        st.download_button(
            "Plan file",
            plan_file(plan),
            file_name=f"{plan_report(results, made_at=made_at).stem}.inferplan.json",
            mime="application/json",
            icon=":material/data_object:",
            key=f"{KEY}file",
            on_click="ignore",
            help="Opens again on this page, here or elsewhere, with the same prices.",
        )
        report = plan_report(results, made_at=made_at)
        download_menu("plan", report.stem, lambda: report, label="Report")


def show_list(entries: Sequence[PlanEntry], opened: str | None) -> None:
    """Show saved plans, each with what can be done with it; more than a screenful is searched by name."""
    if not entries:
        st.info(
            "Nothing is saved yet. Give the current plan a name above and save it: it keeps its inputs and "
            "the prices of today.",
            icon=":material/info:",
        )
    if len(entries) > SHOWN_AT_ONCE:
        wanted = st.text_input("Find", key=f"{KEY}find", placeholder="name, model, GPU or author").casefold()
        entries = [entry for entry in entries if wanted in _searched(entry)]
        if len(entries) > SHOWN_AT_ONCE:
            st.caption(f"The {SHOWN_AT_ONCE} saved last of {len(entries):,}.")
    for entry in entries[:SHOWN_AT_ONCE]:
        with st.container(
            border=True, horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            with st.container(width=ENTRY_WIDTH_PX):
                now_open = " :blue-badge[Current]" if entry.plan_id == opened else ""
                st.markdown(f"**{formats.plain(entry.name)}**{now_open}")
                by = f" by {entry.author}" if entry.author else ""
                on = f" on {entry.gpu}" if entry.gpu else ""
                st.caption(
                    formats.plain(
                        f"{entry.model}{on} · revision {entry.revision}, "
                        f"saved {entry.saved_at:%Y-%m-%d %H:%M} UTC{by}"
                    )
                )
            with st.container(horizontal=True, width="content"):
                _entry_buttons(entry, opened)


def _entry_buttons(entry: PlanEntry, opened: str | None) -> None:
    for label, icon, action in (
        ("Open", ":material/folder_open:", plan_actions.open_plan),
        ("Duplicate", ":material/content_copy:", plan_actions.duplicate),
        ("Delete", ":material/delete:", plan_actions.delete),
    ):
        st.button(
            label,
            icon=icon,
            key=f"{KEY}{label.lower()}.{entry.plan_id}",
            on_click=action,
            args=(entry.plan_id,),
            type="primary" if label == "Open" and entry.plan_id != opened else "secondary",
        )


def show_deleted(entries: Sequence[PlanEntry]) -> None:
    """Show deleted plans, to bring them back."""
    if not entries:
        st.caption("Nothing was deleted.")
    for entry in entries:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{formats.plain(entry.name)}** · deleted {entry.saved_at:%Y-%m-%d %H:%M} UTC")
            st.button(
                "Restore",
                icon=":material/undo:",
                key=f"{KEY}restore.{entry.plan_id}",
                on_click=plan_actions.restore,
                args=(entry.plan_id,),
            )


def show_comparison(comparison: PlanComparison) -> None:
    """Show two plans side by side: results with the difference, then the inputs that differ."""
    names = (f"A: {comparison.first.plan.name}", f"B: {comparison.second.plan.name}")
    st.subheader("Results")
    rows = [_compared_row(row) for row in comparison.figures]
    st.table(
        pd.DataFrame(rows, columns=["Result", *names, "B minus A", "Change"]).set_index("Result"),
        border="horizontal",
    )
    st.caption(
        f"Recomputed now. Price of A: {formats.plain(comparison.first.price_basis)}. "
        f"Price of B: {formats.plain(comparison.second.price_basis)}."
    )
    plan_change_views.show_change(comparison.first, comparison.second)
    st.subheader("Inputs that differ")
    if comparison.inputs:
        inputs = [(row.name, row.first, row.second) for row in comparison.inputs]
        frame = pd.DataFrame(inputs, columns=["Input", *names]).set_index("Input")
        st.table(frame.map(_breakable), border="horizontal")
    else:
        st.caption("None: both plans have the same inputs and prices.")
    report = comparison_report(comparison, made_at=state.now())
    download_menu("comparison", report.stem, lambda: report)


def _show_link(plan: AnyPlan, *, is_saved_as_shown: bool) -> None:
    base = st.context.url or ""
    if is_saved_as_shown:
        st.caption("Always opens the newest revision, for everyone who reaches this dashboard.")
        st.code(f"{base}?{urlencode({state.PLAN_PARAMETER: plan.id})}", language=None, wrap_lines=True)
        return
    value = share_value(plan)
    if value is None:
        st.info("This plan is too long for a link, as uploaded configs are. Save it, then share its link.")
        return
    st.caption("Carries the plan itself with its prices. It is not secret: who has the link has the plan.")
    st.code(f"{base}?{state.LINK_PARAMETER}={quote(value)}", language=None, wrap_lines=True)


def _compared_row(row: FigureDifference) -> tuple[str, str, str, str, str]:
    change, relative = row.change, row.relative_change
    return (
        label_text(row),
        formats.plain(figure_text(row.first)),
        formats.plain(figure_text(row.second)),
        ""
        if change is None
        else "0"
        if change == 0
        else formats.plain(_signed(number_text(change, row.unit))),
        "" if relative is None else _signed(formats.percent(relative, 1)),
    )


def _breakable(text: str) -> str:
    """Return ``text`` with room to break long ids on a narrow screen."""
    return formats.plain(text.replace("/", " / ") if " " not in text else text)


def _searched(entry: PlanEntry) -> str:
    return " ".join((entry.name, entry.model, entry.gpu, entry.author)).casefold()


def _signed(text: str) -> str:
    return text if text.startswith(formats.MINUS) or not text.strip("0.%") else f"+{text}"


def _show_headline(figure: Figure) -> None:
    if figure.value is None:
        show_figure(label_text(figure), NOT_KNOWN, note=formats.sentence(figure.reason))
        return
    value = number_text(figure.value, figure.unit)
    if figure.low is None or figure.high is None:
        show_figure(label_text(figure), value, note="At list, the whole month.")
        return
    low, high = (number_text(end, figure.unit).removesuffix(" tokens/s") for end in (figure.low, figure.high))
    show_figure(label_text(figure), value, low, high)
