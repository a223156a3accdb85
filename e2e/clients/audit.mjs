// Runs the server audits of graphql-http against a URL and prints one result a line.
import { serverAudits } from 'graphql-http';

for (const audit of serverAudits({ url: process.argv[2] })) {
  const result = await audit.fn();
  await result.response?.body?.cancel().catch(() => {});
  console.log(JSON.stringify({ id: audit.id, name: audit.name, status: result.status, reason: result.reason }));
}
