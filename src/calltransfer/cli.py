"""The command line: `calltransfer demo` and `calltransfer check`, which need the extra `cli`."""

import asyncio
import pathlib
import sys
from typing import TYPE_CHECKING

import click

import calltransfer

if TYPE_CHECKING:
    from rich.console import Console


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(calltransfer.__version__, prog_name="calltransfer")
def main() -> None:
    """Hand a live phone call from an AI agent to another line or a human, and know what really happened."""


@main.command()
@click.option("--fast", is_flag=True, help="Do not wait: let time pass at once.")
def demo(*, fast: bool) -> None:
    """Show seven calls: two direct transfers, three warm ones, and two of a plan.

    Of the direct ones the carrier refuses one; the warm ones end with a yes, a no, and a caller who hangs up. The plan
    is two supervisors at once, and then a message: on one call both say yes, and on the other one nobody does. They run
    on this machine, on the real SDK, without an account or a phone.
    """
    console = _console()
    # The SDK takes two seconds to import; --help should not.
    from calltransfer.demo import show
    from calltransfer.sandbox import FastForwardLoop

    with asyncio.Runner(loop_factory=FastForwardLoop if fast else None) as runner:
        runner.run(show(console))


@main.command()
@click.argument("plan")
@click.option("--show-numbers", is_flag=True, help="Show numbers in full, for your own terminal.")
@click.option("--offline", is_flag=True, help="Do not ask the platform, whatever the environment has.")
@click.option("--caller-id", metavar="NUMBER", help="The number that targets see; by default VIDEOSDK_CALLER_ID.")
@click.option("--routing-rule", metavar="ID", help="The rule they are dialled by; by default VIDEOSDK_ROUTING_RULE.")
@click.option(
    "--gateway", metavar="ID", help="The gateway they are dialled through instead; by default VIDEOSDK_GATEWAY."
)
@click.option("--base-url", metavar="URL", help="Where the platform is.")
def check(
    plan: str,
    *,
    show_numbers: bool,
    offline: bool,
    caller_id: str | None,
    routing_rule: str | None,
    gateway: str | None,
    base_url: str | None,
) -> None:
    """Check the routes in PLAN, and whether the platform is set up for them.

    PLAN is a file such as routes.toml, or the agent that has them in its code, such as agent.py:SupportAgent, whose file is
    imported and which is made once. Prints every mistake in it, with its line and what would be right; otherwise the
    routes as a tree, with numbers masked. With
    VIDEOSDK_AUTH_TOKEN, or VIDEOSDK_API_KEY and VIDEOSDK_SECRET_KEY, in the environment it then asks the platform whether
    token, caller ID and routing rule are good for it; nothing is changed there, and nobody is called. What the plan names as
    "package.module:name" is imported, and looked for where the command is run and beside the plan, too. The exit status is
    1 if anything is wrong.
    """
    console = _console()
    from calltransfer.checking import checked
    from calltransfer.errors import ConfigurationError
    from calltransfer.routes.importing import looking_also_in
    from calltransfer.videosdk.api import check_base_url

    if base_url is not None:
        try:
            check_base_url(base_url)
        except ConfigurationError as error:
            raise click.UsageError(f"--base-url {str(error).removeprefix('base_url= ')}") from None
    if routing_rule and gateway:
        raise click.UsageError("--routing-rule and --gateway: a target is dialled by one or the other")
    with looking_also_in(pathlib.Path.cwd(), pathlib.Path(plan).resolve().parent):
        good = checked(
            plan,
            console,
            offline=offline,
            show_numbers=show_numbers,
            caller_id=caller_id,
            routing_rule=routing_rule,
            gateway=gateway,
            base_url=base_url,
        )
    sys.exit(0 if good else 1)


def _console() -> "Console":
    """Returns what both commands print with, or ends with what to install."""
    try:
        from rich.console import Console
    except ModuleNotFoundError as missing:
        raise click.ClickException(
            "this command needs rich, which is not installed; run: pip install 'calltransfer[cli]' "
            "(in a checkout: pip install '.[cli]')"
        ) from missing
    return Console(highlight=False)


if __name__ == "__main__":
    main(prog_name="calltransfer")
