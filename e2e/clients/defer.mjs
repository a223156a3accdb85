// Asks for operations with @defer as the clients of front-end teams do, and prints each state of an answer that the client
// shows, with the operation's place in the list. When it has shown an answer's first state it asks for its RELEASE, on which
// the subgraph that is deferred goes on.
//   node defer.mjs apollo-2022|apollo-alpha9|urql URL RELEASE OPERATION [URL RELEASE OPERATION]...
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { Defer20220824Handler, GraphQL17Alpha9Handler } from '@apollo/client/incremental';
import { Client, cacheExchange, fetchExchange } from '@urql/core';

const [kind, ...list] = process.argv.slice(2);

function apollo(incrementalHandler, url, operation, show) {
  const client = new ApolloClient({ cache: new InMemoryCache(), link: new HttpLink({ uri: url }), incrementalHandler });
  return new Promise((done) => {
    client.watchQuery({ query: gql(operation), errorPolicy: 'all' }).subscribe(async ({ data, dataState, error, loading }) => {
      if (dataState === 'empty' && !error) {
        return;
      }
      await show({ data, more: loading, errors: error?.errors });
      if (!loading) {
        done();
      }
    });
  });
}

function urql(url, operation, show) {
  const client = new Client({ url, exchanges: [cacheExchange, fetchExchange], preferGetMethod: false });
  return new Promise((done) => {
    client.query(operation, {}).subscribe(async ({ data, error, hasNext }) => {
      await show({ data, more: hasNext, errors: error?.graphQLErrors });
      if (!hasNext) {
        done();
      }
    });
  });
}

const ask = {
  'apollo-2022': (...args) => apollo(new Defer20220824Handler(), ...args),
  'apollo-alpha9': (...args) => apollo(new GraphQL17Alpha9Handler(), ...args),
  urql,
}[kind];

for (let i = 0; i < list.length; i += 3) {
  const [url, release, operation] = list.slice(i, i + 3);
  let shown = 0;
  await ask(url, operation, async ({ data, more, errors }) => {
    console.log(JSON.stringify({ of: i / 3, data, more, errors: errors?.map(({ message, path }) => ({ message, path })) }));
    if (shown++ === 0) {
      await fetch(release);
    }
  });
}
