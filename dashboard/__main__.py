"""The `inferplan` command, also `python -m inferplan.dashboard`."""

import importlib
import pkgutil
import sys
from importlib.metadata import version
from typing import Any

import click

from inferplan.dashboard import commands
from inferplan.datasets.errors import InferplanError

WRONG_INPUT = 2
STOPPED = 130  # 128 + SIGINT, as shells say it


class CommandFolder(click.Group):
    """Offers each module of ``commands/`` as a command and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all modules that hold a command."""
        return sorted(
            module.name.rstrip("_") for module in pkgutil.iter_modules(commands.__path__) if not module.ispkg
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the ``command`` object of the module with that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = cmd_name + "_" * (cmd_name == "import")
        command: click.Command = importlib.import_module(f"{commands.__name__}.{module}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl-C stops it at once, and nothing that it began is kept."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, RuntimeError) as error:
            # DuckDB says it as a RuntimeError when a query is interrupted
            if not isinstance(error.__cause__ or error, KeyboardInterrupt):
                raise
            click.echo("\nStopped.", err=True)
            ctx.exit(STOPPED)


@click.command(cls=CommandFolder)
@click.version_option(version("inferplan"), prog_name="inferplan")
def cli() -> None:
    """Plan the cost and capacity of self-hosted LLM inference.

    Without a command the dashboard starts. Exit codes: 0 done, 1 a finding under --check, 2 wrong input,
    130 stopped by Ctrl-C.
    """


def main() -> None:
    """Run the command line; an error that the user can put right is one line and exit code 2."""
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("--") and arguments[0] not in {"--help", "--version"}):
        arguments = ["dashboard", *arguments]
    try:
        cli.main(arguments, prog_name="inferplan")
    except InferplanError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(WRONG_INPUT)


if __name__ == "__main__":
    main()
