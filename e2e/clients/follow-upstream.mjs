// Is a subgraph whose subscriptions are served by the libraries graphql-ws and graphql-sse, and follows them through routers
// over it. It tells CALLBACK its port and gets the address of the router that asks over each protocol.
//   node follow-upstream.mjs CALLBACK
import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { createHandler } from 'graphql-sse/lib/use/http';
import { createClient } from 'graphql-sse';

const schema = buildSchema(`
  scalar _Any
  union _Entity = Product
  type Query { product(id: ID!): Product _entities(representations: [_Any!]!): [_Entity]! }
  type Subscription { renamed(id: ID!): Product fails(id: ID!): Product }
  type Product { id: ID! name: String! }
`);
const { renamed, fails } = schema.getSubscriptionType().getFields();
renamed.subscribe = async function* (_, { id }) {
  for (const name of ['A', 'B', 'C']) {
    yield { renamed: { id, name } };
  }
};
fails.subscribe = () => {
  throw new Error('nobody tells of this');
};

const sse = createHandler({ schema });
const server = createServer((request, response) => sse(request, response));
const seen = [];
useServer({
  schema,
  onConnect: ({ connectionParams }) => {
    seen.push(Object.keys(connectionParams ?? {}).sort());
  },
}, new WebSocketServer({ server }));
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));

const routers = await (await fetch(`${process.argv[2]}?port=${server.address().port}`)).json();
for (const [protocol, url] of Object.entries(routers)) {
  const client = createClient({ url, retryAttempts: 0 });
  for (const field of ['renamed', 'fails']) {
    const query = `subscription Followed { ${field}(id: "p1") { id name stock } }`;
    await new Promise((done) => client.subscribe({ query }, {
      next: (result) => console.log(JSON.stringify({ protocol, field, ...result })),
      error: (e) => {
        console.log(JSON.stringify({ protocol, field, failed: String(e) }));
        done();
      },
      complete: () => {
        console.log(JSON.stringify({ protocol, field, complete: true }));
        done();
      },
    }));
  }
}
console.log(JSON.stringify({ protocol: 'ws', seen: seen[0] }));
process.exit(0); // keep-alive connections of the routers are open
