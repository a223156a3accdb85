// Composes sets of subgraphs with Apollo's composition.
// Argument: a file with a list of {name, subgraphs: [{name, sdl}]}. For each of them one line is printed: {name, codes, thrown}, with the codes
// of the errors, "" for an error that has none, and what was thrown where composition did not end with an outcome.
import { readFileSync } from 'node:fs';
import { parse } from 'graphql';
import composition from '@apollo/composition';

for (const { name, subgraphs } of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  const out = { name, codes: [] };
  try {
    const services = subgraphs.map(({ name, sdl }) => ({ name, url: '', typeDefs: parse(sdl) }));
    const errors = composition.composeServices(services).errors ?? [];
    out.codes = [...new Set(errors.map(error => error.extensions?.code ?? ''))];
  } catch (error) {
    out.thrown = error.message;
  }
  console.log(JSON.stringify(out));
}
