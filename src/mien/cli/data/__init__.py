"""`mien data`: what is done to data sets. One command a module."""

import typer

from mien.cli.data import audit, check, explore, merge, noise, prepare, subset


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    group = typer.Typer(help="Read data sets as they are distributed, see what is wrong with them, prepare tables.")
    group.callback()(_data)
    for each in (check, prepare, merge, audit, noise, explore, subset):
        each.register(group)
    app.add_typer(group, name="data")


def _data() -> None:
    """Read data sets as they are distributed, see what is wrong with them, prepare tables."""
