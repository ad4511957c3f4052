"""The dashboard's lock file installs anywhere: no registry address, every version exact, nothing left out."""

import json
import re
from pathlib import Path
from typing import Any

WEB = Path(__file__).parents[2] / "web"


def packages() -> dict[str, Any]:
    lock: dict[str, Any] = json.loads((WEB / "package-lock.json").read_text())
    return dict(lock["packages"])


def test_the_lock_names_no_registry() -> None:
    assert [name for name, package in packages().items() if "resolved" in package] == []


def test_every_optional_dependency_has_its_entry() -> None:
    """`npm ci` refuses a lock without them, and `npm install` leaves out those its registry does not have."""
    known = packages()
    wanted = {
        f"node_modules/{name}"
        for package in known.values()
        for name in package.get("optionalDependencies", {})
    }
    assert wanted - set(known) == set()


def test_what_is_asked_for_is_exact() -> None:
    asked = json.loads((WEB / "package.json").read_text())
    versions = {**asked["dependencies"], **asked["devDependencies"]}
    assert [name for name, version in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    known = packages()
    assert {name: known[f"node_modules/{name}"]["version"] for name in versions} == versions
