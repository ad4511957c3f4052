"""Turns the list of metrics into those that nobody asks for and those that are due for review."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from blackhole.cli.render import number, table

UnusedMetric = Mapping[str, Any]

_SHOWN = ("metric", "privacy", "points", "first_seen", "last_asked")


def found(metrics: bytes, days: int, now: datetime) -> dict[str, Any]:
    """`metrics`: what `GET metrics` answers. Of guarded metrics it has neither counts nor times."""
    known: list[UnusedMetric] = json.loads(metrics)["metrics"]
    since = now - timedelta(days=days)
    return {
        "days": days,
        "unused": [{key: one[key] for key in _SHOWN} for one in known if _is_unused(one, since)],
        "review": [
            {"metric": one["metric"], "review_after": one["review_after"]}
            for one in known
            if one["review_after"] is not None and one["review_after"] < now.date().isoformat()
        ],
    }


def _is_unused(metric: UnusedMetric, since: datetime) -> bool:
    asked = metric["last_asked"]
    came = metric["stored"] or metric["received"]
    return bool(came) and (asked is None or datetime.fromisoformat(asked) < since)


def as_text(answer: Mapping[str, Any]) -> str:
    parts = [f"every metric that is stored was asked for in the last {answer['days']} days"]
    if answer["unused"]:
        rows = (
            [
                one["metric"],
                one["privacy"].replace("_", " "),
                number(one["points"]),
                (one["first_seen"] or "-")[:10],
                (one["last_asked"] or "never")[:10],
            ]
            for one in answer["unused"]
        )
        columns = ["not asked for", "privacy", "points", "stored since", "last asked"]
        parts = [
            table(columns, rows, right={"points"}),
            "stop sending them, or take their entries out of the catalogue: no question, no metric",
        ]
    if answer["review"]:
        due = ([one["metric"], one["review_after"]] for one in answer["review"])
        parts += ["", table(["due for review", "since"], due)]
    return "\n".join(parts)
