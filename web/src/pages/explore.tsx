/** Any metric, aggregation, grouping and range; or SQL. What is asked stands in the address, and can be saved. */

import { useEffect } from "preact/hooks";
import { known, knownTrouble, loadKnown } from "../known";
import { ExploreMetric } from "../parts/explore-metric";
import { ExploreSql } from "../parts/explore-sql";
import { Trouble } from "../parts/state";
import { parameters, set } from "../route";

export function Explore() {
  useEffect(() => {
    if (known.value === null) void loadKnown();
  }, []);
  const isSql = parameters.value["view"] === "sql";
  return (
    <>
      <h1 class="hidden">Explore</h1>
      <fieldset class="tabs" aria-label="How to ask">
        <button type="button" aria-pressed={!isSql} onClick={() => set({ view: undefined })}>
          A metric
        </button>
        <button type="button" aria-pressed={isSql} onClick={() => set({ view: "sql" })}>
          SQL
        </button>
      </fieldset>
      <Trouble words={knownTrouble.value} />
      <h2 class="hidden">{isSql ? "SQL" : "A metric"}</h2>
      {isSql ? <ExploreSql /> : <ExploreMetric />}
    </>
  );
}
