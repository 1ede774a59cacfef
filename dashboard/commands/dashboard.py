"""`inferplan dashboard`: start the dashboard."""

from importlib.resources import as_file, files

import click

from inferplan.datasets import samples, scratch
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import Warehouse


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
)
@click.pass_context
def command(context: click.Context) -> None:
    """Start the dashboard; every option of `streamlit run` is passed on.

    The process owns the warehouse from here to its end, so that what is wrong with it is said before a page
    is opened. A new one comes with the sample fleet.
    """
    from streamlit.web import cli as streamlit_cli

    scratch.remove_leftovers()
    script = files("inferplan.dashboard") / "app.py"
    with Warehouse.open() as warehouse, as_file(script) as path:
        if warehouse.is_new:
            samples.load(warehouse)
        try:
            streamlit_cli.main(["run", str(path), *context.args], prog_name="inferplan dashboard")
        except (OSError, OverflowError) as error:  # the latter for a port above 65535
            msg = f"The dashboard cannot listen ({error}). Give another --server.address or --server.port."
            raise InferplanError(msg) from error
