// Serves a supergraph with @apollo/gateway, behind a server that does no more than it must: parsed and validated documents
// are kept by their text, as Apollo Server keeps them.
//
//   node apollo.mjs SUPERGRAPH PORT NODE_MODULES
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [, , supergraph, port, modules] = process.argv;
const require = createRequire(join(resolve(modules), 'from.js'));
const { ApolloGateway } = require('@apollo/gateway');
const { getOperationAST, parse, validate } = require('graphql');

const quiet = { debug() {}, info() {}, warn: console.warn, error: console.error };
const gateway = new ApolloGateway({ supergraphSdl: readFileSync(supergraph, 'utf8'), logger: quiet });
const { schema, executor } = await gateway.load();
const documents = new Map();

function documentOf(query) {
  let known = documents.get(query);
  if (known === undefined) {
    const document = parse(query);
    const errors = validate(schema, document);
    known = { document, errors, queryHash: createHash('sha256').update(query).digest('hex') };
    documents.set(query, known);
  }
  return known;
}

async function answer(body, http) {
  const { query, variables, operationName } = JSON.parse(body);
  const { document, errors, queryHash } = documentOf(query);
  if (errors.length > 0) {
    return { errors };
  }
  return executor({
    document,
    operation: getOperationAST(document, operationName),
    operationName: operationName ?? null,
    queryHash,
    source: query,
    schema,
    context: {},
    logger: quiet,
    metrics: {},
    overallCachePolicy: { restrict() {}, policyIfCacheable: () => null },
    request: { query, variables, operationName, http },
  });
}

createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    let status = 200;
    let text;
    try {
      text = JSON.stringify(await answer(Buffer.concat(chunks).toString(), undefined));
    } catch (error) {
      status = 500;
      text = JSON.stringify({ errors: [{ message: String(error?.stack ?? error) }] });
    }
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    response.end(text);
  });
}).listen(Number(port), '127.0.0.1');
