// Bundles GraphiQL into ../dist: hashed, gzipped files and a manifest that names the entries. Nothing refers to another host.
import { build } from 'esbuild';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';

const out = '../dist';

const common = {
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  outdir: out,
  entryNames: '[name]-[hash]',
  chunkNames: 'chunk-[hash]',
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.ttf': 'file', '.woff2': 'file' },
  assetNames: '[name]-[hash]',
  jsx: 'automatic',
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  write: false,
};

const entryOf = (result, source) => {
  const found = Object.entries(result.metafile.outputs).find(([, output]) => output.entryPoint?.endsWith(source));
  return found[0].split('/').pop();
};

const workers = await build({
  ...common,
  entryPoints: {
    'editor.worker': 'monaco-editor/esm/vs/editor/editor.worker.js',
    'json.worker': 'monaco-editor/esm/vs/language/json/json.worker.js',
    'graphql.worker': 'monaco-graphql/esm/graphql.worker.js',
  },
});
const worker = (source) => JSON.stringify(entryOf(workers, source));
const page = await build({
  ...common,
  splitting: true,
  entryPoints: { graphiql: 'src/main.jsx' },
  define: {
    ...common.define,
    EDITOR_WORKER: worker('editor.worker.js'),
    JSON_WORKER: worker('json.worker.js'),
    GRAPHQL_WORKER: worker('graphql.worker.js'),
  },
});

// The licences of all that is bundled travel with the bundle.
const packages = new Map();
for (const input of [...Object.keys(workers.metafile.inputs), ...Object.keys(page.metafile.inputs)]) {
  const end = input.lastIndexOf('node_modules/');
  if (end < 0) continue;
  const parts = input.slice(end + 'node_modules/'.length).split('/');
  const name = parts[0].startsWith('@') ? `${parts[0]}/${parts[1]}` : parts[0];
  packages.set(input.slice(0, end) + 'node_modules/' + name, name);
}
const licences = [];
for (const [dir, name] of [...packages].sort()) {
  const info = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  const file = readdirSync(dir).find((f) => /^licen[cs]e/i.test(f));
  const text = file ? readFileSync(join(dir, file), 'utf8').trim() : `Licence: ${info.license}`;
  licences.push(`${name} ${info.version} (${info.license})\n\n${text}\n`);
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const write = (name, contents) => {
  writeFileSync(join(out, `${name}.gz`), gzipSync(contents, { level: constants.Z_BEST_COMPRESSION }));
};
const script = entryOf(page, 'src/main.jsx');
const style = Object.entries(page.metafile.outputs).find(([name]) => name.endsWith(script))[1].cssBundle.split('/').pop();
for (const result of [workers, page]) {
  for (const file of result.outputFiles) {
    const name = file.path.split('/').pop();
    // The page's own style sheet holds what the style sheets of the chunks repeat.
    if (!name.endsWith('.css') || name === style) write(name, file.contents);
  }
}
write('LICENSES.txt', licences.join(`\n${'-'.repeat(80)}\n\n`));

writeFileSync(join(out, 'manifest.json'), JSON.stringify({
  script,
  style,
  workers: ['editor.worker.js', 'json.worker.js', 'graphql.worker.js'].map((w) => entryOf(workers, w)),
}, null, 2) + '\n');
