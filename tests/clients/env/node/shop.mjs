// A shop that people call over HTTP; the two options do the rest.
import http from "node:http";
import { metrics } from "@opentelemetry/api";

const meter = metrics.getMeter("shop");
const requests = meter.createCounter("shop.requests.total");
const orders = meter.createCounter("shop.orders");
const durations = meter.createHistogram("shop.request.duration");
const server = http.createServer((_, answer) => {
  requests.add(1);
  orders.add(2);
  durations.record(25);
  answer.end("sold");
});
server.listen(0, "127.0.0.1", async () => {
  for (let number = 0; number < 20; number++)
    await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text();
  server.close();
  server.closeAllConnections();
});
