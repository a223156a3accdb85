// Asks for query plans and shows the last one. A router that is set to explain puts the plan into extensions.queryPlan of
// the answer to a request with the header Lethe-Query-Plan.
import { useSyncExternalStore } from 'react';

const storageKey = 'lethe-playground:plans';

// Plans keeps whether plans are asked for, and the last answer's.
export class Plans {
  #state = { asking: localStorage.getItem(storageKey) === 'yes', answered: false, plan: null };
  #listeners = new Set();

  subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get = () => this.#state;

  #set(change) {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }

  set asking(asking) {
    localStorage.setItem(storageKey, asking ? 'yes' : 'no');
    this.#set({ asking });
  }

  // ask adds the header to a request that a person sent: the schema is asked for by the page itself.
  ask(headers, body) {
    if (this.#state.asking && !/"operationName":"IntrospectionQuery"/.test(body)) headers.set('lethe-query-plan', '1');
  }

  // take takes the plan out of an answer and gives the rest, which is what a client gets. Answers in parts stay as they are.
  async take(headers, response) {
    if (!headers.has('lethe-query-plan') || !/json/.test(response.headers.get('content-type') ?? '')) return response;
    const text = await response.text();
    let rest = text;
    let plan = null;
    try {
      const body = JSON.parse(text);
      plan = body.extensions?.queryPlan ?? null;
      if (plan !== null) {
        delete body.extensions.queryPlan;
        if (Object.keys(body.extensions).length === 0) delete body.extensions;
        rest = JSON.stringify(body);
      }
    } catch {
      // It is for GraphiQL to say that this is no JSON.
    }
    this.#set({ answered: true, plan });
    return new Response(rest, { status: response.status, statusText: response.statusText, headers: response.headers });
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

function Plan({ asking, answered, plan }) {
  if (plan !== null) return <pre className="playground-plan">{plan.text}</pre>;
  if (!asking) return null;
  return answered
    ? <p>The answer carried no query plan: the router gives them where its configuration has <code>queryPlans: true</code>.</p>
    : <p>Send an operation to see how it is planned.</p>;
}

export function queryPlanPlugin(plans) {
  function PlanContent() {
    const state = useSyncExternalStore(plans.subscribe, plans.get);
    return (
      <section aria-label="Query plan">
        <div className="graphiql-doc-explorer-title">Query plan</div>
        <label className="playground-asking">
          <input type="checkbox" checked={state.asking} onChange={(event) => { plans.asking = event.target.checked; }} />
          {' '}Ask for the plan with each operation
        </label>
        <Plan {...state} />
      </section>
    );
  }
  return { title: 'Query plan', icon: PlanIcon, content: PlanContent };
}
