/** The top of the page: whether it is live, how much arrives, and how the data is kept private. */

import { arriving, budget, connection, governor, lockedOut, status, version } from "../state";
import { nextTheme, theme } from "../theme";
import { duration, figureText, number, size } from "../words";
import { Badge } from "./badge";

export function Header({ onSkip = () => undefined }: { onSkip?: () => void }) {
  return (
    <header class="top">
      <button type="button" class="skip" onClick={onSkip}>
        Skip to the content
      </button>
      <div class="brand">
        <Mark />
        <p>Blackhole Analytics</p>
        {version.value !== "" && <span class="version">{version}</span>}
      </div>
      <ConnectionState />
      <Privacy />
      <button
        type="button"
        class="theme"
        onClick={nextTheme}
        title="Light, dark, or as the system is"
      >
        <span class="hidden">Colours: </span>
        {{ system: "Auto", light: "Light", dark: "Dark" }[theme.value]}
      </button>
    </header>
  );
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="16" cy="16" r="6.5" class="mark-hole" />
      <ellipse cx="16" cy="16" rx="14" ry="5" class="mark-ring" transform="rotate(-24 16 16)" />
    </svg>
  );
}

const STATES = {
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting…",
};

function ConnectionState() {
  if (lockedOut.value) return <p class="connection state">Locked</p>;
  const rate = arriving.value;
  const own = governor.value;
  return (
    <div class="connection">
      <p class={`state state-${connection.value}`} role="status">
        <span class="dot" aria-hidden="true" />
        {STATES[connection.value]}
      </p>
      {connection.value === "reconnecting" && <p class="quiet">showing the last known values</p>}
      {rate !== null && connection.value === "live" && (
        <p class="quiet">
          <b>{number(rate)}</b> points/s arriving
        </p>
      )}
      {own !== null && (
        <p class="quiet wide-only">
          the service itself uses {figureText(own.cpu_percent, "%")} CPU,{" "}
          {join(size(own.memory_bytes))} memory, {join(size(own.database_bytes))} disk
        </p>
      )}
    </div>
  );
}

function Sampling() {
  const rate = governor.value?.sampling_rate ?? 1;
  if (rate >= 1) return null;
  const one = Math.round(1 / rate);
  return (
    <Badge
      kind="warn"
      words={`The service is under load and keeps one in ${one} points. Sums stay exact.`}
    >
      Keeping 1 in {one}
    </Badge>
  );
}

function Privacy() {
  const privacy = status.value?.privacy;
  if (privacy === undefined) return null;
  const kept = join(duration(privacy.retention_period));
  return (
    <div class="badges">
      <Sampling />
      {privacy.network_sharing ? (
        <Badge words="Sums that you consented to may be shared, as secret shares with noise.">
          Sharing on
        </Badge>
      ) : (
        <Badge kind="good" words="Nothing that is collected here is sent anywhere.">
          Stays on this node
        </Badge>
      )}
      <Badge
        words={`A value about people is shown only when at least ${privacy.k_anonymity} of them are behind it.`}
      >
        Groups of {privacy.k_anonymity}+
      </Badge>
      {privacy.differential_privacy && <Budget whole={privacy.privacy_budget} />}
      {!privacy.differential_privacy && (
        <Badge
          kind="warn"
          words="differential_privacy is off: highly sensitive metrics get no noise."
        >
          No noise
        </Badge>
      )}
      <Badge words={`Detailed values are deleted after ${kept}.`}>Kept {kept}</Badge>
    </div>
  );
}

function Budget({ whole }: { whole: number }) {
  const news = budget.value;
  if (news === null) return null;
  const left = Math.floor((100 * Math.min(news.remaining, whole)) / whole);
  const refills = new Date(news.period_ends).toLocaleString();
  return (
    <Badge
      words={`Each release of a highly sensitive metric spends some of the privacy budget. When it is spent, none is released before it refills: ${refills}.`}
    >
      Privacy budget {left} % left
    </Badge>
  );
}

function join({ text, unit }: { text: string; unit: string }): string {
  return `${text} ${unit}`;
}
