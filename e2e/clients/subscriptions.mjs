// Subscribes as the clients of front-end teams do, and prints each thing that a client is told: {of, data}, {of, errors} and
// {of, complete}, where of is the operation's place in the list. When the first operation has told its first event it asks
// for RELEASE, on which the schema changes and the rest of the events come. Of the last operation it hears one event and
// unsubscribes.
//   node subscriptions.mjs CLIENT URL RELEASE OPERATION...
import { createClient as createWS } from 'graphql-ws';
import { createClient as createSSE } from 'graphql-sse';
import WebSocket from 'ws';
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { following } from '../../router/playground/web/src/subscription.js';

const [kind, url, release, ...operations] = process.argv.slice(2);

globalThis.WebSocket = WebSocket; // Node.js 20 has none, and Apollo Client looks at it
process.on('unhandledRejection', (e) => { // urql leaves the one of a request that it aborts itself
  if (e.name !== 'AbortError') {
    throw e;
  }
});

const socket = () => createWS({
  url: url.replace(/^http/, 'ws'),
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: 'Bearer of-a-client' },
  retryAttempts: 0,
});

// protocol subscribes with a client of a protocol, whose errors are lists or Errors.
function protocol(client) {
  return {
    subscribe: (query, { next, error, complete }) => client.subscribe({ query }, {
      next: ({ data, errors }) => (errors ? error(errors) : next(data)),
      error: (e) => error(Array.isArray(e) ? e : [e]),
      complete,
    }),
    dispose: () => client.dispose(),
  };
}

function apollo(link, dispose = () => {}) {
  const client = new ApolloClient({ cache: new InMemoryCache(), link });
  return {
    subscribe: (query, { next, error, complete }) => {
      const running = client.subscribe({ query: gql(query), errorPolicy: 'all', fetchPolicy: 'no-cache' }).subscribe({
        next: (result) => (result.error ? error(result.error.errors ?? [result.error]) : next(result.data)),
        error: (e) => error(e.errors ?? [e]),
        complete,
      });
      return () => running.unsubscribe();
    },
    dispose,
  };
}

function urql(options, dispose = () => {}) {
  const client = new Client({ url, preferGetMethod: false, ...options });
  return {
    subscribe: (query, { next, error, complete }) => {
      const running = client.subscription(query, {}).subscribe(({ data, error: failed, hasNext }) => {
        if (hasNext === false) { // with what was told last, once more
          complete();
        } else if (failed) {
          error(failed.graphQLErrors.length > 0 ? failed.graphQLErrors : [failed]);
        } else if (data) {
          next(data);
        }
      });
      return () => running.unsubscribe();
    },
    dispose,
  };
}

function playground() {
  const fetcher = following(() => { throw new Error('nothing but subscriptions is asked'); }, url, fetch);
  return {
    subscribe: (query, { next, error, complete }) => {
      const responses = fetcher({ query, operationName: null }, { documentAST: gql(query), headers: {} });
      (async () => {
        for await (const { data, errors } of responses) {
          if (errors) {
            error(errors);
          } else {
            next(data);
          }
        }
        complete();
      })();
      return () => responses.return();
    },
    dispose: () => {},
  };
}

const clients = {
  playground,
  'graphql-ws': () => protocol(socket()),
  'graphql-sse': () => protocol(createSSE({ url, retryAttempts: 0 })),
  'apollo-multipart': () => apollo(new HttpLink({ uri: url })),
  'apollo-ws': () => {
    const ws = socket();
    return apollo(new GraphQLWsLink(ws), () => ws.dispose());
  },
  'urql-sse': () => urql({ exchanges: [fetchExchange], fetchSubscriptions: true }),
  'urql-ws': () => {
    const ws = socket();
    const forwardSubscription = (request) => ({ subscribe: (sink) => ({ unsubscribe: ws.subscribe(request, sink) }) });
    return urql({ exchanges: [subscriptionExchange({ forwardSubscription })] }, () => ws.dispose());
  },
};

const client = clients[kind]();
for (const [of, operation] of operations.entries()) {
  await new Promise((resolve) => {
    let told = 0, over = false;
    const print = (line) => over || console.log(JSON.stringify({ of, ...line }));
    const done = () => {
      over = true;
      resolve();
    };
    const stop = client.subscribe(operation, {
      next: async (data) => {
        print({ data });
        if (of === operations.length - 1) {
          done();
          stop();
        } else if (of === 0 && told++ === 0) {
          await fetch(release);
        }
      },
      error: (errors) => {
        print({ errors: errors.map(({ message, extensions }) => ({ message, code: extensions?.code })) });
        done();
      },
      complete: () => {
        print({ complete: true });
        done();
      },
    });
  });
}
client.dispose();
