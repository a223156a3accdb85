// Asks two queries and a mutation at once through Apollo Client's BatchHttpLink, and prints each answer, then how many
// requests it took.
//   node batch.mjs URL
import { ApolloClient, InMemoryCache, gql } from '@apollo/client';
import { BatchHttpLink } from '@apollo/client/link/batch-http';

let requests = 0;
const link = new BatchHttpLink({
  uri: process.argv[2],
  batchInterval: 10,
  fetch: (to, init) => {
    requests++;
    return fetch(to, init);
  },
});
const client = new ApolloClient({ cache: new InMemoryCache(), link });
const options = { errorPolicy: 'all', fetchPolicy: 'no-cache' };
const product = gql`query Product($id: ID!) { product(id: $id) { name stock } }`;
const answers = await Promise.all([
  client.query({ query: product, variables: { id: 'p1' }, ...options }),
  client.query({ query: gql`query Broken { nothing }`, ...options }),
  client.mutate({ mutation: gql`mutation Rename { rename(id: "p2", name: "Stool") { name } }`, ...options }),
  client.mutate({ mutation: gql`mutation Missing { rename(id: "p9", name: "Stool") { name } }`, ...options }),
]);
for (const { data, error } of answers) {
  console.log(JSON.stringify({ data, error: error?.message ?? '' }));
}
console.log(JSON.stringify({ requests }));
