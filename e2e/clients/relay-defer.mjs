// Compiles an operation with @defer with relay-compiler in FOLDER and runs it through Relay, over a network layer that reads
// multipart responses with meros, and prints what the store holds of products after each payload. When it has printed the
// first it asks for RELEASE, on which the subgraph that is deferred goes on.
//   node relay-defer.mjs URL RELEASE FOLDER
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { meros } from 'meros/browser';
import relay from 'relay-runtime';

const [url, release, folder] = process.argv.slice(2);
const write = (name, text) => writeFileSync(join(folder, name), text);
mkdirSync(join(folder, '__generated__'), { recursive: true });
write('package.json', '{"type":"module"}');
write('schema.graphql', 'directive @defer(if: Boolean = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT type Query { products: [Product!]! } type Product { id: ID! name: String! stock: Int! }');
write('page.js', `import { graphql } from 'relay-runtime';
export const query = graphql\`query pageQuery { products { id name ...page_stock @defer(label: "stock") } }\`;
export const stock = graphql\`fragment page_stock on Product { stock }\`;
`);
write('relay.config.json', JSON.stringify({
  src: '.', schema: './schema.graphql', language: 'javascript', artifactDirectory: './__generated__', eagerEsModules: true,
}));
execFileSync(process.execPath, [resolve('node_modules/relay-compiler/cli.js'), 'relay.config.json'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
const { default: query } = await import(join(folder, '__generated__/pageQuery.graphql.js'));

// relayPayloads gives a payload of the response as Relay takes it.
function relayPayloads({ incremental, hasNext, ...rest }) {
  if (!incremental) {
    return [{ ...rest, extensions: { is_final: !hasNext } }];
  }
  return incremental.map((part, i) => ({ ...part, extensions: { is_final: !hasNext && i === incremental.length - 1 } }));
}

const network = relay.Network.create((params, variables) => relay.Observable.create((sink) => {
  (async () => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'multipart/mixed; deferSpec=20220824, application/json' },
      body: JSON.stringify({ query: params.text, variables }),
    });
    const parts = await meros(response);
    if (parts === response) {
      sink.next({ ...(await response.json()), extensions: { is_final: true } });
    } else {
      for await (const { json, body } of parts) {
        if (!json) {
          throw new Error(`a part that is no JSON: ${body}`);
        }
        for (const payload of relayPayloads(body)) {
          sink.next(payload);
        }
      }
    }
    sink.complete();
  })().catch((error) => sink.error(error));
}));

const environment = new relay.Environment({ store: new relay.Store(new relay.RecordSource()), network });
let shown = 0;
await new Promise((done, fail) => {
  environment.execute({ operation: relay.createOperationDescriptor(query, {}) }).subscribe({
    next: () => {
      const records = Object.values(environment.getStore().getSource().toJSON()).filter((r) => r.__typename === 'Product');
      console.log(JSON.stringify({ data: records.map(({ id, name, stock }) => ({ id, name, stock })) }));
      if (shown++ === 0) {
        fetch(release).catch(fail);
      }
    },
    complete: done,
    error: fail,
  });
});
