"""Turns a run of the page in a real Chromium into what it costs: first use, latency, main thread, heap."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True)
class Page:
    """Milliseconds, percent of the main thread, questions a second of all charts, bytes."""

    interactive: float
    latency_p95: float
    main_thread: float
    questions: float
    grown: float
    minutes: float


def measure(scratch: Path, *, quick: bool) -> Page:
    """Raises RuntimeError where there is no Chromium, or the page did not do what it should."""
    if not any(map(shutil.which, BROWSERS)):
        raise RuntimeError("no Chromium was found: apt-get install chromium")
    scratch.mkdir(parents=True, exist_ok=True)
    result = scratch / "page.json"
    done = subprocess.run(
        ["npm", "--prefix", "web", "run", "test:browser", "--", "bench"],
        cwd=ROOT,
        env={**os.environ, "BLACKHOLE_PAGE_RESULT": str(result), "BLACKHOLE_PAGE_QUICK": str(int(quick))},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not result.exists():
        why = (done.stderr.strip() or done.stdout.strip())[-1500:]  # the reason; else the summary
        raise RuntimeError(f"the browser did not measure: {why}")
    return _page(json.loads(result.read_text(encoding="utf-8")))


def _page(said: dict[str, Any]) -> Page:
    latencies = sorted(said["latencies"])
    times = sorted(said["interactive"])
    return Page(
        interactive=times[len(times) // 2],
        latency_p95=latencies[ceil(0.95 * len(latencies)) - 1],
        main_thread=said["busy"]["mainThread"],
        questions=said["busy"]["questions"],
        grown=said["soak"]["grown"],
        minutes=said["soak"]["minutes"],
    )
