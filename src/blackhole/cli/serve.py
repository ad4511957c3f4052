"""Runs the service."""

import gc
from pathlib import Path

import click

from blackhole.errors import UsageError

HostPort = tuple[str, int]


class AddressType(click.ParamType[HostPort]):
    """`HOST:PORT`, `[::1]:PORT`; port 0 picks a free one."""

    name = "address"

    def convert(
        self, value: str | HostPort, param: click.Parameter | None, ctx: click.Context | None
    ) -> HostPort:
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if not bare or (":" in bare) != host.startswith("[") or not (port.isascii() and port.isdigit()):
            self.fail(f"{value} is not HOST:PORT: write it like 127.0.0.1:4317 or [::1]:4317", param, ctx)
        if int(port) > 65535:  # noqa: PLR2004
            self.fail(f"{value}: a port is at most 65535", param, ctx)
        return bare, int(port)


@click.command("serve")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration file (YAML).",
)
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where the data live.")
@click.option(
    "--otlp-grpc",
    type=AddressType(),
    default=("127.0.0.1", 4317),
    metavar="HOST:PORT",
    help="Default 127.0.0.1:4317.",
)
@click.option(
    "--otlp-http",
    type=AddressType(),
    default=("127.0.0.1", 4318),
    metavar="HOST:PORT",
    help="Default 127.0.0.1:4318.",
)
@click.option(
    "--listen",
    type=AddressType(),
    default=("127.0.0.1", 8080),
    metavar="HOST:PORT",
    help="Page and API, default 127.0.0.1:8080.",
)
@click.option("--log-format", type=click.Choice(("text", "json")), default="text", help="On standard error.")
def command(
    *,
    config_file: Path | None,
    data_dir: Path | None,
    otlp_grpc: HostPort,
    otlp_http: HostPort,
    listen: HostPort,
    log_format: str,
) -> None:
    """Run the service until Ctrl-C or SIGTERM; a second signal forces."""
    # Hardly anything of what is made now is garbage: it is collected once, when the service is ready.
    gc.disable()
    from blackhole import config as configuration  # noqa: PLC0415
    from blackhole.app.service import Options, serve  # noqa: PLC0415
    from blackhole.runtime import process  # noqa: PLC0415

    config = configuration.load(config_file)
    directory = data_dir if data_dir is not None else configuration.data_dir()
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"--data-dir {directory}: is a file: name a directory")
    process.leave(serve(config, Options(directory, otlp_grpc, otlp_http, listen, log_format)))
