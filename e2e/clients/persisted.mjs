// Asks a URL through Apollo Client's persisted query link, as the mode says, and prints each answer with the requests that
// it took.
//   node persisted.mjs URL register|registerGET|trusted [ID]
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { createHash } from 'node:crypto';

const [url, mode, id] = process.argv.slice(2);
const requests = [];
const http = new HttpLink({
  uri: url,
  fetch: async (to, init) => {
    const sent = init.body ? JSON.parse(init.body) : Object.fromEntries(new URL(to).searchParams);
    const response = await fetch(to, init);
    requests.push({ method: init.method, query: 'query' in sent, status: response.status });
    return response;
  },
});
const persisted = new PersistedQueryLink(
  mode === 'trusted'
    ? { generateHash: () => id }
    : { sha256: (text) => createHash('sha256').update(text).digest('hex'), useGETForHashedQueries: mode === 'registerGET' },
);
const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.from([persisted, http]),
  defaultOptions: { query: { fetchPolicy: 'no-cache', errorPolicy: 'all' } },
});

async function ask(query, variables) {
  requests.length = 0;
  const { data, error } = await client.query({ query, variables });
  console.log(JSON.stringify({ data, error: error?.message, requests: [...requests] }));
}

const product = gql`query Product($id: ID!) { product(id: $id) { name stock } }`;
await ask(product, { id: 'p1' });
await ask(product, { id: 'p2' });
if (mode !== 'trusted') {
  await ask(gql`query Broken { nothing }`, {});
}
