"""The command line: `calltransfer demo`."""

import asyncio

try:
    import click
    from rich.console import Console
except ModuleNotFoundError as missing:
    raise SystemExit(
        f"calltransfer: the command line needs {missing.name}, which is not installed; run: "
        "pip install 'calltransfer[cli]' (in a checkout: pip install '.[cli]')"
    ) from missing

import calltransfer


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(calltransfer.__version__, prog_name="calltransfer")
def main() -> None:
    """Hand a live phone call from an AI agent to another line or a human, and know what really happened."""


@main.command()
@click.option("--fast", is_flag=True, help="Do not wait: let time pass at once.")
def demo(*, fast: bool) -> None:
    """Show five calls: two direct transfers, and three warm ones.

    Of the direct ones the carrier refuses one; the warm ones end with a yes, a no, and a caller who hangs up. They run
    on this machine, on the real SDK, without an account or a phone.
    """
    # The SDK takes two seconds to import; --help should not.
    from calltransfer.demo import show
    from calltransfer.sandbox import FastForwardLoop

    with asyncio.Runner(loop_factory=FastForwardLoop if fast else None) as runner:
        runner.run(show(Console(highlight=False)))
