// Sends files through apollo-upload-client, and as any program may, with fetch and FormData; prints each answer.
//   node upload.mjs URL
import { ApolloClient, InMemoryCache, gql } from '@apollo/client';
import UploadHttpLink from 'apollo-upload-client/UploadHttpLink.mjs';

const url = process.argv[2];
const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: new UploadHttpLink({ uri: url, headers: { 'GraphQL-Require-Preflight': '1' } }),
});
const large = new File(['x'.repeat(300_000)], 'large.bin', { type: 'application/octet-stream' });
const small = new File(['grüße'], 'grüße "1".txt', { type: 'text/plain' });

async function mutate(mutation, variables) {
  const { data, error } = await client.mutate({ mutation, variables, errorPolicy: 'all' });
  console.log(JSON.stringify({ data, error: error?.message ?? '' }));
}
await mutate(gql`mutation One($file: Upload!) { attach(product: "p1", file: $file) { name type size start } }`, { file: small });
await mutate(gql`mutation Many($files: [Upload!]!) { attachAll(files: $files) { name size } }`, { files: [small, large, small] });
await mutate(
  gql`mutation Both($file: Upload!, $note: NoteInput) { attach(product: "p1", file: $file) { size } note(note: $note) }`,
  { file: small, note: { text: 'hello', picture: large } },
);

async function send(operations, map, files, headers = { 'Apollo-Require-Preflight': 'true' }) {
  const form = new FormData();
  form.append('operations', JSON.stringify(operations));
  form.append('map', JSON.stringify(map));
  for (const [name, file] of Object.entries(files)) {
    form.append(name, file);
  }
  const response = await fetch(url, { method: 'POST', headers, body: form });
  const answer = await response.json();
  for (const { data, errors } of [answer].flat()) {
    console.log(JSON.stringify({ data, error: errors?.[0].extensions?.code ?? '', status: response.status }));
  }
}
const query = 'mutation($f: Upload!) { attach(product: "p2", file: $f) { name size } }';
await send({ query, variables: { f: null } }, { a: ['variables.f'] }, { a: small });
await send([{ query, variables: { f: null } }, { query, variables: { f: null } }], { a: ['0.variables.f'], b: ['1.variables.f'] }, { a: small, b: large });
await send({ query, variables: { f: null } }, { a: ['variables.f'] }, { a: small }, {});
