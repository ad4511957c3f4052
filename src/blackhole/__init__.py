"""Blackhole Analytics: private, local analytics for peer-to-peer nodes."""


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415  (slow to import, rarely asked)

        globals()[name] = version("blackhole-analytics")  # it is read from a file, so once
        return str(globals()[name])
    raise AttributeError(name)
