"""A shop that people call over HTTP; `opentelemetry-instrument` does the rest."""

import threading
import urllib.request

from flask import Flask  # type: ignore[import-not-found]
from opentelemetry import metrics
from werkzeug.serving import make_server  # type: ignore[import-not-found]

meter = metrics.get_meter("shop")
requests = meter.create_counter("shop.requests.total")
orders = meter.create_counter("shop.orders")
durations = meter.create_histogram("shop.request.duration")


def sell() -> str:
    requests.add(1)
    orders.add(2)
    durations.record(25)
    return "sold"


app = Flask(__name__)
app.add_url_rule("/", view_func=sell)
server = make_server("127.0.0.1", 0, app)
threading.Thread(target=server.serve_forever, daemon=True).start()
for _ in range(20):
    urllib.request.urlopen(f"http://127.0.0.1:{server.port}/").close()
server.shutdown()
