"""Asks the running service to allow metrics, and without one writes the owner's catalogue file itself."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from blackhole.cli.options import PlaceOption
from blackhole.cli.source import find_keeper


def allowed(place: PlaceOption, permission: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The answer of the API, and since when it holds in words. Raises UsageError, PrivacyError."""
    service = find_keeper(place, place.config())
    if service is not None:
        answer: dict[str, Any] = json.loads(service.allow(permission))
        return answer, "collected from here on"
    return _written(place, permission), "collected when the service starts"


def _written(place: PlaceOption, permission: Mapping[str, Any]) -> dict[str, Any]:
    from blackhole.catalogue.allow import Permission, add, decide  # noqa: PLC0415
    from blackhole.catalogue.load import OWNER_FILE, files, load  # noqa: PLC0415
    from blackhole.privacy.scrub import names_somebody  # noqa: PLC0415

    decision = decide(
        msgspec.convert(permission, Permission),
        load(files(place.config(), place.data_dir)),
        {},
        today=datetime.now(UTC).date(),
        names_somebody=names_somebody,
    )
    if decision.new:
        add(place.data_dir / OWNER_FILE, decision.new)
    answer: dict[str, Any] = msgspec.to_builtins(decision.answer())
    return answer
