"""Blackhole Analytics: private, local analytics for peer-to-peer nodes."""


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415  (slow to import, rarely asked)

        return version("blackhole-analytics")
    raise AttributeError(name)
