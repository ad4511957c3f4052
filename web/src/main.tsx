/** Starts the page and connects it to the service. */

import { render } from "preact";
import { App } from "./app";
import { listenToKeys } from "./keys";
import { Live, streamUrl } from "./live";
import { connection, refreshFindings, refreshStatus, run, take } from "./state";
import "./style.css";
import { applyTheme, watchSystem } from "./theme";

const live = new Live({
  url: streamUrl(location),
  onMessage: take,
  onConnection: (state) => {
    connection.value = state;
  },
  onRefused: () => void refreshStatus(),
});

function enter(): void {
  void refreshStatus().then(refreshFindings);
  live.hurry();
}

applyTheme();
watchSystem();
const root = document.getElementById("app");
if (root !== null) render(<App onEnter={enter} />, root);
run();
live.start();
listenToKeys();
addEventListener("online", () => live.hurry());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) live.hurry();
});
