// Serves a supergraph with Hive Gateway, with its planner in JavaScript or its native one.
//
//   node hive.mjs javascript|native SUPERGRAPH PORT NODE_MODULES SHARING
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [, , planner, supergraph, port, modules, sharing] = process.argv;
const require = createRequire(join(resolve(modules), 'from.js'));
const { createGatewayRuntime } = require('@graphql-hive/gateway-runtime');

const gateway = createGatewayRuntime({
  supergraph: resolve(supergraph),
  logging: false,
  graphiql: false,
  landingPage: false,
  // Equal requests are shared at both doors: of clients, and to subgraphs.
  inboundInflightRequestDeduplication: sharing === 'true',
  transportEntries: { '*.http': { options: { deduplicateInflightRequests: sharing === 'true' } } },
  ...(planner === 'native' ? { unifiedGraphHandler: require('@graphql-hive/router-runtime').unifiedGraphHandler } : {}),
});
createServer(gateway).listen(Number(port), '127.0.0.1');
