// What a page does with Apollo Client, over HTTP and, for subscriptions, over WebSocket: the tests bundle it for a browser.
//   lethe({ url, headers, operations }) gives for each operation { data } or { error }; a subscription gives its first event.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getMainDefinition } from '@apollo/client/utilities';
import { createClient } from 'graphql-ws';

globalThis.lethe = async ({ url, headers = {}, operations }) => {
  const socket = createClient({ url: url.replace(/^http/, 'ws'), connectionParams: headers.Authorization ? { Authorization: headers.Authorization } : {}, retryAttempts: 0 });
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    clientAwareness: { name: 'page', version: '1.0' },
    link: ApolloLink.split(
      ({ query }) => getMainDefinition(query).operation === 'subscription',
      new GraphQLWsLink(socket),
      new HttpLink({ uri: url, credentials: 'include', headers }),
    ),
  });
  const one = async ({ query: text, variables }) => {
    const query = gql(text);
    switch (getMainDefinition(query).operation) {
      case 'mutation':
        return (await client.mutate({ mutation: query, variables })).data;
      case 'subscription':
        return new Promise((resolve, reject) => {
          const running = client.subscribe({ query, variables, errorPolicy: 'all' }).subscribe({
            next: ({ data, error }) => {
              (error ? reject(error) : resolve(data));
              setTimeout(() => running.unsubscribe());
            },
            error: reject,
          });
        });
    }
    return (await client.query({ query, variables })).data;
  };
  const out = [];
  for (const operation of operations) {
    try {
      out.push({ data: await one(operation) });
    } catch (e) {
      out.push({ error: String(e?.message || e?.reason || e?.type || e), status: e?.statusCode ?? 0, code: e?.result?.errors?.[0]?.extensions?.code ?? e?.errors?.[0]?.extensions?.code ?? '' });
    }
  }
  await socket.dispose();
  return out;
};
