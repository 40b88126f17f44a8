"""cli/schema: the command that prints the JSON Schema of specs."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    import json

    from nablac.frontend.load import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
