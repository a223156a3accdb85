// Serves supergraphs with Apollo's gateway and with Hive's, in this process, and prints what they answer.
// Argument: a file with a list of {id, supergraph, subgraphs, operations: [{query, variables}]}. For each of them and each gateway one line is
// printed: {id, gateway, refused, answers}. A supergraph that a gateway refuses is composed anew by Apollo's composition where subgraphs are given;
// alike tells that the gateway refuses that one too.
import { readFileSync } from 'node:fs';
import { parse, validate } from 'graphql';
import apollo from '@apollo/gateway';
import composition from '@apollo/composition';
import { createGatewayRuntime } from '@graphql-hive/gateway-runtime';
import { unifiedGraphHandler } from '@graphql-hive/router-runtime';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

async function apolloGateway(supergraphSdl) {
  const gateway = new apollo.ApolloGateway({ supergraphSdl, logger: silent });
  const { schema, executor } = await gateway.load();
  return {
    async answer({ query, variables }) {
      const document = parse(query);
      const errors = validate(schema, document);
      if (errors.length > 0) return { errors };
      return executor({ document, schema, request: { query, variables }, queryHash: query, operationName: null, context: {}, metrics: {}, logger: silent, overallCachePolicy: undefined });
    },
    stop: () => gateway.stop(),
  };
}

async function hiveGateway(supergraph) {
  const gateway = createGatewayRuntime({ supergraph: () => supergraph, unifiedGraphHandler, logging: false, landingPage: false, graphiql: false, maskedErrors: false });
  const answer = async operation => {
    const response = await gateway.fetch('http://gateway/graphql', {
      method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json' }, body: JSON.stringify(operation),
    });
    return response.json();
  };
  const first = await answer({ query: '{ __typename }' });
  if (first.data?.__typename === undefined) throw new Error(JSON.stringify(first.errors));
  return { answer, stop: () => gateway[Symbol.asyncDispose]?.() };
}

const gateways = { apollo: apolloGateway, hive: hiveGateway };

// refusal gives why a gateway refuses a supergraph, undefined when it does not.
async function refusal(start, supergraph) {
  try {
    const gateway = await start(supergraph);
    await gateway.stop();
  } catch (error) {
    return error.message;
  }
}

function composedByApollo(subgraphs) {
  const services = subgraphs.map(({ name, sdl }) => ({ name, url: '', typeDefs: parse(sdl) }));
  return composition.composeServices(services).supergraphSdl;
}

for (const { id, supergraph, subgraphs, operations } of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  for (const [name, start] of Object.entries(gateways)) {
    const out = { id, gateway: name };
    let gateway;
    try {
      gateway = await start(supergraph);
    } catch (error) {
      out.refused = error.message;
      if (subgraphs) out.alike = (await refusal(start, composedByApollo(subgraphs))) !== undefined;
    }
    if (gateway) {
      out.answers = [];
      for (const operation of operations ?? []) {
        let answer;
        try {
          answer = await gateway.answer(operation);
        } catch (error) {
          answer = { errors: [error] };
        }
        out.answers.push({ data: answer.data ?? null, errors: (answer.errors ?? []).length > 0 });
      }
      await gateway.stop();
    }
    console.log(JSON.stringify(out));
  }
}
process.exit(0);
