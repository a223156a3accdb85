// Compiles a subscription with relay-compiler in a folder, follows it through Relay over graphql-ws, and prints each thing
// that Relay is told: {data} and {complete}. After the first event it asks for RELEASE, on which the rest comes.
//   node relay-subscription.mjs FOLDER URL RELEASE
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import relay from 'relay-runtime';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [folder, url, release] = process.argv.slice(2);
const write = (name, text) => writeFileSync(join(folder, name), text);
mkdirSync(join(folder, '__generated__'), { recursive: true });
write('package.json', '{"type":"module"}');
write('schema.graphql', 'type Query { product(id: ID!): Product } type Subscription { renamed(id: ID!): Product } type Product { id: ID! name: String! stock: Int! }');
write('page.js', "import { graphql } from 'relay-runtime';\nexport default graphql`subscription pageSubscription($id: ID!) { renamed(id: $id) { id name stock } }`;\n");
write('relay.config.json', JSON.stringify({ src: '.', schema: './schema.graphql', language: 'javascript', artifactDirectory: './__generated__' }));
execFileSync(process.execPath, [resolve('node_modules/relay-compiler/cli.js'), 'relay.config.json'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
const { default: subscription } = await import(join(folder, '__generated__/pageSubscription.graphql.js'));

const ws = createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 });
const environment = new relay.Environment({
  store: new relay.Store(new relay.RecordSource()),
  network: relay.Network.create(
    () => {
      throw new Error('nothing but subscriptions is asked');
    },
    (params, variables) => relay.Observable.create((sink) => ws.subscribe({ operationName: params.name, query: params.text, variables }, sink)),
  ),
});
let told = 0;
await new Promise((done, failed) => relay.requestSubscription(environment, {
  subscription,
  variables: { id: 'p1' },
  onNext: async (data) => {
    console.log(JSON.stringify({ data }));
    if (told++ === 0) {
      await fetch(release);
    }
  },
  onError: failed,
  onCompleted: () => {
    console.log(JSON.stringify({ complete: true }));
    done();
  },
}));
ws.dispose();
