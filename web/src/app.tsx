/** The frame of the page: navigation, the state of the connection, and one page of several. */

import { useSignal } from "@preact/signals";
import { Component, type ComponentChildren, type ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Route, Router, Switch } from "wouter-preact";
import { Overview } from "./pages/overview";
import { Header } from "./parts/header";
import { Help } from "./parts/help";
import { Login } from "./parts/login";
import { Nav, PAGES } from "./parts/nav";
import { Picker } from "./parts/picker";
import { Loading, Nothing } from "./parts/state";
import { path, useHash } from "./route";
import { connection, lockedOut } from "./state";

type Load = () => Promise<ComponentType>;

const LAZY: Record<string, Load> = {
  "/network": () => import("./pages/network").then((module) => module.Network),
  "/performance": () => import("./pages/performance").then((module) => module.Performance),
  "/usage": () => import("./pages/usage").then((module) => module.Usage),
  "/privacy": () => import("./pages/privacy").then((module) => module.Privacy),
  "/explore": () => import("./pages/explore").then((module) => module.Explore),
  "/boards/:name?": () => import("./pages/boards").then((module) => module.Boards),
  "/insights": () => import("./pages/insights").then((module) => module.Insights),
};

const loaded = new Map<string, ComponentType>();

/** A page that is fetched when it is first looked at. */
function Lazy({ pattern, load }: { pattern: string; load: Load }) {
  const shown = useSignal(loaded.get(pattern) ?? null);
  const failed = useSignal(false);
  useEffect(() => {
    if (shown.value !== null) return;
    load().then(
      (page) => {
        loaded.set(pattern, page);
        shown.value = page;
      },
      () => {
        failed.value = true;
      },
    );
  }, [pattern, load, shown, failed]);
  const Page = shown.value;
  if (failed.value) return <Nothing>This part could not be loaded: reload the page.</Nothing>;
  return Page === null ? <Loading height={420} /> : <Page />;
}

/** One broken page must not take the others with it. */
class Guard extends Component<{ place: string; children: ComponentChildren }, { broken: boolean }> {
  override state = { broken: false };

  static override getDerivedStateFromError() {
    return { broken: true };
  }

  override componentDidUpdate(before: { place: string }) {
    if (before.place !== this.props.place && this.state.broken) this.setState({ broken: false });
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return <Nothing>Something on this page went wrong. Reload it, or look at another one.</Nothing>;
  }
}

export function App({ onEnter }: { onEnter: () => void }) {
  const main = useRef<HTMLElement>(null);
  const place = path.value;
  const arrived = useRef(false);
  // A new place is what moves the focus.
  useEffect(() => {
    document.title = `${PAGES.find(({ to }) => to === place)?.name ?? "Boards"} · Blackhole Analytics`;
    if (arrived.current) {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    arrived.current = true;
  }, [place]);
  const state = connection.value;
  // Nothing is green that is only the last that is known.
  useEffect(() => {
    document.documentElement.dataset["connection"] = state;
  }, [state]);
  return (
    <Router hook={useHash}>
      <Header onSkip={() => main.current?.focus()} />
      <div class="bar">
        <Nav />
        {!lockedOut.value && <Picker />}
      </div>
      <main ref={main} tabIndex={-1}>
        {lockedOut.value ? <Login onEnter={onEnter} /> : <Pages place={place} />}
      </main>
      <footer class="quiet">
        <a href="/openapi.json">API</a> · <a href="/api/analytics/metrics">what may be collected</a>{" "}
        · <a href="/metrics">Prometheus</a> · press <kbd>?</kbd> for keys
      </footer>
      <Help />
    </Router>
  );
}

function Pages({ place }: { place: string }) {
  return (
    <Guard place={place}>
      <Switch>
        <Route path="/">
          <Overview />
        </Route>
        {Object.entries(LAZY).map(([pattern, load]) => (
          <Route path={pattern} key={pattern}>
            <Lazy key={pattern} pattern={pattern} load={load} />
          </Route>
        ))}
        <Route>
          <Nothing>
            There is no such page. <a href="#/">Back to the overview</a>
          </Nothing>
        </Route>
      </Switch>
    </Guard>
  );
}
