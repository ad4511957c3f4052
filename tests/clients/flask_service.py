"""A service as people write it: Flask, and a counter of its own; `opentelemetry-instrument` does the rest.

It calls itself RATE times a second until its input ends; each tenth answer is a 500. What it counted, and
what the system says of its process at each call, goes to its output as JSON when all is done.
"""

import http.client
import itertools
import json
import logging
import os
import sys
import threading
import time

import psutil
from flask import Flask  # type: ignore[import-not-found]
from opentelemetry import metrics
from werkzeug.serving import make_server  # type: ignore[import-not-found]

RATE = float(os.environ["RATE"])
SECONDS = float(os.environ.get("MILLISECONDS", "20")) / 1000

app = Flask(__name__)
requests = metrics.get_meter("shop").create_counter("shop.requests.total", unit="{request}")
answered = itertools.count(1)


def order(number: str) -> tuple[str, int]:
    time.sleep(SECONDS)
    requests.add(1)
    return number, 500 if next(answered) % 10 == 0 else 200


def usage(me: psutil.Process) -> dict[str, float]:
    switches, cpu = me.num_ctx_switches(), me.cpu_times()
    return {
        "time": time.time(),
        "switches": switches.voluntary + switches.involuntary,
        "cpu": cpu.user + cpu.system,
        "memory": me.memory_info().rss,
    }


def wait(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.add_url_rule("/orders/<number>", view_func=order)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    me, began, seen = psutil.Process(), time.time(), []
    errors, durations, times = 0, [], []
    over = threading.Event()
    threading.Thread(target=wait, args=[over], daemon=True).start()
    for number in itertools.count():
        if over.is_set():
            break
        time.sleep(max(0.0, began + number / RATE - time.time()))
        sent = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", f"/orders/{number}")
        errors += connection.getresponse().status >= 500
        connection.close()
        durations.append(time.perf_counter() - sent)
        times.append(time.time())
        seen.append(usage(me))
    ended = time.time()
    told = {"requests": len(times), "errors": errors, "began": began, "ended": ended}
    print(json.dumps({**told, "durations": durations, "times": times, "usage": seen}), flush=True)


main()
