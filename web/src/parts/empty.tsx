/** What a newcomer sees before any data: the lines that send some. */

import { status } from "../state";

const MOST = 5;

export function Empty() {
  const address = status.value?.endpoints["otlp_http"] ?? "127.0.0.1:4318";
  return (
    <section class="card empty" aria-labelledby="empty">
      <h1 id="empty">Waiting for the first data</h1>
      <p>
        Nothing has arrived yet. Any program that speaks OpenTelemetry can report here, in any
        language. For a Python program, these lines do it:
      </p>
      <pre>
        <code>
          {"pip install opentelemetry-distro opentelemetry-exporter-otlp\n"}
          {`export OTEL_EXPORTER_OTLP_ENDPOINT=http://${address}\n`}
          {"export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n"}
          {"opentelemetry-instrument python your_program.py"}
        </code>
      </pre>
      <p>
        <code>blackhole env</code> prints them for Node, Java, Go, Rust, a Collector and a browser.
      </p>
      <TurnedAway />
      <p class="quiet">
        This page fills by itself as soon as something comes. Only metrics in the catalogue are
        kept; what is refused is listed here with the reason.
      </p>
    </section>
  );
}

/** Something tries and does not get in: what it is, and what would let it. */
function TurnedAway() {
  const senders = status.value?.turned_away ?? [];
  if (senders.length === 0) return null;
  return (
    <>
      <h2>Something tries to send</h2>
      <ul class="plain">
        {senders.slice(0, MOST).map(({ words, remedy }) => (
          <li key={words}>
            <b>{words}</b>: {remedy}
          </li>
        ))}
      </ul>
    </>
  );
}
