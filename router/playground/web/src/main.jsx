// The playground: GraphiQL, set up by the attributes of the page's root element.
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { GraphiQL } from 'graphiql';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';
import 'graphiql/style.css';
import './playground.css';
import { Identity, IdentityPicker } from './identity.jsx';
import { Plans, queryPlanPlugin } from './plan.jsx';
import { following } from './subscription.js';

const workers = { json: JSON_WORKER, graphql: GRAPHQL_WORKER };
globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(new URL(workers[label] ?? EDITOR_WORKER, import.meta.url), { type: 'module' }),
};

const root = document.getElementById('root');
const { endpoint, tokenUrl, title } = root.dataset;
const tabs = JSON.parse(root.dataset.tabs);

const identity = new Identity(tokenUrl);
const plans = new Plans();

// What the headers editor says wins over the identity that is picked.
async function send(url, init) {
  const headers = new Headers(init?.headers);
  if (!headers.has('authorization')) {
    const token = await identity.token();
    if (token) headers.set('authorization', `Bearer ${token}`);
  }
  plans.ask(headers, init?.body);
  return plans.take(headers, await fetch(url, { ...init, headers }));
}

// GraphiQL fills the editors of the first tab by itself, all but those of variables and headers.
const first = localStorage.getItem('graphiql:tabState') === null ? tabs[0] : {};

const url = new URL(endpoint, location.href).href;
const fetcher = following(createGraphiQLFetcher({ url, fetch: send }), url, send);
const plugins = [HISTORY_PLUGIN, queryPlanPlugin(plans)];

function Playground() {
  const [role, setRole] = useState(identity.role);
  return (
    <GraphiQL fetcher={fetcher} plugins={plugins} defaultTabs={tabs} initialVariables={first.variables} initialHeaders={first.headers}>
      <GraphiQL.Logo>
        <span className="playground-title">{title}</span>
        {tokenUrl && (
          <IdentityPicker role={role} onPick={(picked) => { identity.role = picked; setRole(picked); }} />
        )}
      </GraphiQL.Logo>
    </GraphiQL>
  );
}

createRoot(root).render(<Playground />);
