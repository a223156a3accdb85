// Runs the operation that relay-compile.mjs compiled through Relay, by its id alone.
//   node relay.mjs URL FOLDER
import { join } from 'node:path';
import relay from 'relay-runtime';

const [url, folder] = process.argv.slice(2);
const { default: operation } = await import(join(folder, '__generated__/pageQuery.graphql.js'));
const environment = new relay.Environment({
  store: new relay.Store(new relay.RecordSource()),
  network: relay.Network.create(async (params, variables) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ doc_id: params.id, query: params.text, variables }),
    });
    return response.json();
  }),
});
const data = await relay.fetchQuery(environment, operation, { id: 'p3' }).toPromise();
console.log(JSON.stringify({ data }));
