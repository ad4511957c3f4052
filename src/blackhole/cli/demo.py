"""Runs the service beside a real peer-to-peer network on this machine."""

from pathlib import Path

import click


@click.command("demo")
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop after that long (default: at Ctrl-C).")
@click.option("--hosts", type=click.IntRange(5, 50), default=6, show_default=True, help="libp2p hosts.")
@click.option("--listen", metavar="HOST:PORT", help="Where the page is served.")
@click.option(
    "--port-base",
    type=click.IntRange(0, 65533),
    help="Use this port and the next two; 0 picks free ones (default: 4317, 4318, 8080).",
)
@click.option(
    "--p2p-python", type=click.Path(path_type=Path), metavar="FILE", help="The Python that has libp2p."
)
def command(
    *,
    seconds: float | None,
    hosts: int,
    listen: str | None,
    port_base: int | None,
    p2p_python: Path | None,
) -> int:
    """Run the service beside a real libp2p network and three services, on a temporary directory."""
    from blackhole.demo.run import DemoOptions, run  # noqa: PLC0415

    options = DemoOptions(
        seconds=seconds, p2p_python=p2p_python, port_base=port_base, listen=listen, hosts=hosts
    )
    return run(options)
