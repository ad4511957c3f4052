/** Puts the page together and connects it to the service. */

import { render } from "preact";
import { Live, streamUrl } from "./live";
import {
  connection,
  lockedOut,
  network,
  performance,
  refreshStatus,
  run,
  services,
  take,
} from "./state";
import "./style.css";
import { Network, Performance } from "./views/boards";
import { Empty } from "./views/empty";
import { Header } from "./views/header";
import { Health } from "./views/health";
import { Login } from "./views/login";
import { RefusedPanel } from "./views/refused";

const live = new Live({
  url: streamUrl(location),
  onMessage: take,
  onConnection: (state) => {
    connection.value = state;
  },
});

function App() {
  const empty =
    services.value?.length === 0 && network.value.size === 0 && performance.value.size === 0;
  const enter = () => {
    void refreshStatus();
    live.hurry();
  };
  return (
    <>
      <Header />
      <main>
        {lockedOut.value ? (
          <Login onEnter={enter} />
        ) : (
          <>
            {empty && <Empty />}
            <Health />
            <Network />
            <Performance />
            <RefusedPanel />
          </>
        )}
      </main>
      <footer class="quiet">
        <a href="/openapi.json">API</a> · <a href="/api/analytics/metrics">what may be collected</a>{" "}
        · <a href="/metrics">Prometheus</a>
      </footer>
    </>
  );
}

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
run();
live.start();
addEventListener("online", () => live.hurry());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) live.hurry();
});
