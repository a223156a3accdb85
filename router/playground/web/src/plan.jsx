// Shows the query plan of the last answer that carried one in extensions.queryPlan.
import { useSyncExternalStore } from 'react';

export class PlanStore {
  #plan = null;
  #listeners = new Set();

  subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get = () => this.#plan;

  // read takes the plan out of a response. Responses that are no single JSON document carry none.
  async read(response) {
    if (!/json/.test(response.headers.get('content-type') ?? '')) return;
    const plan = await response.json().then((body) => body?.extensions?.queryPlan, () => undefined);
    if (plan === undefined) return;
    this.#plan = plan;
    for (const listener of this.#listeners) listener();
  }
}

function PlanIcon() {
  return (
    <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.4" aria-hidden="true">
      <rect x="1" y="6" width="4" height="4" rx="1" />
      <rect x="11" y="1.5" width="4" height="4" rx="1" />
      <rect x="11" y="10.5" width="4" height="4" rx="1" />
      <path d="M5 8h3M8 3.5v9M8 3.5h3M8 12.5h3" />
    </svg>
  );
}

export function queryPlanPlugin(store) {
  function PlanContent() {
    const plan = useSyncExternalStore(store.subscribe, store.get);
    return (
      <section aria-label="Query plan">
        <div className="graphiql-doc-explorer-title">Query plan</div>
        {plan === null
          ? <p>No answer has carried a query plan. A router that is set to explain puts it into <code>extensions.queryPlan</code>.</p>
          : <pre className="playground-plan">{typeof plan === 'string' ? plan : plan.text ?? JSON.stringify(plan, null, 2)}</pre>}
      </section>
    );
  }
  return { title: 'Query plan', icon: PlanIcon, content: PlanContent };
}
