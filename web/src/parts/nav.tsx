/** The pages, by name. */

import { address, path } from "../route";
import { alerts, insights, isOpen, now } from "../state";

export const PAGES = [
  { to: "/", name: "Overview" },
  { to: "/network", name: "Network" },
  { to: "/performance", name: "Performance" },
  { to: "/usage", name: "Usage" },
  { to: "/privacy", name: "Privacy" },
  { to: "/explore", name: "Explore" },
  { to: "/boards", name: "Boards" },
  { to: "/insights", name: "Insights" },
] as const;

export function Nav() {
  const here = path.value;
  const open = [...(insights.value ?? []), ...(alerts.value ?? [])].filter((finding) =>
    isOpen(finding, now.value),
  ).length;
  return (
    <nav aria-label="Pages">
      <ul class="nav">
        {PAGES.map(({ to, name }) => {
          const current = to === "/" ? here === "/" : here.startsWith(to);
          return (
            <li key={to}>
              <a href={address(to)} aria-current={current ? "page" : undefined}>
                {name}
                {to === "/insights" && open > 0 && (
                  <span class="count">
                    {open}
                    <span class="hidden"> open</span>
                  </span>
                )}
              </a>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
