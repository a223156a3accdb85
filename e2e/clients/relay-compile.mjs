// Compiles an operation with relay-compiler in a folder, with persisted documents: the manifest is then in
// FOLDER/persisted.json, and the compiled operation in FOLDER/__generated__.
//   node relay-compile.mjs FOLDER
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const folder = process.argv[2];
const write = (name, text) => writeFileSync(join(folder, name), text);
mkdirSync(join(folder, '__generated__'), { recursive: true });
write('package.json', '{"type":"module"}');
write('schema.graphql', 'type Query { product(id: ID!): Product } type Product { id: ID! name: String! stock: Int! }');
write('page.js', "import { graphql } from 'relay-runtime';\nexport default graphql`query pageQuery($id: ID!) { product(id: $id) { name stock } }`;\n");
write('persisted.json', '{}');
write('relay.config.json', JSON.stringify({
  src: '.', schema: './schema.graphql', language: 'javascript', artifactDirectory: './__generated__', persistConfig: { file: './persisted.json', algorithm: 'SHA256' },
}));
execFileSync(process.execPath, [resolve('node_modules/relay-compiler/cli.js'), 'relay.config.json'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
