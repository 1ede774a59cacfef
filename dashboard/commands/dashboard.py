"""`inferplan dashboard`: start the dashboard."""

from importlib.resources import as_file, files

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
)
@click.pass_context
def command(context: click.Context) -> None:
    """Start the dashboard; every option of `streamlit run` is passed on."""
    from streamlit.web import cli as streamlit_cli

    with as_file(files("inferplan.dashboard") / "app.py") as script:
        streamlit_cli.main(["run", str(script), *context.args], prog_name="inferplan dashboard")
