// A shop that people call over HTTP; `--require` does the rest.
const http = require("node:http");
const { metrics } = require("@opentelemetry/api");

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
