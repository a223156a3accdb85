// Follows subscriptions as server-sent events, so that they carry the same identity and headers as everything else that the
// page sends.

// following gives a fetcher that follows subscriptions itself, and leaves other operations to the one that it is given.
export function following(fetcher, url, send) {
  return (params, options) => {
    const operation = options?.documentAST?.definitions.find(({ kind, name }) => (
      kind === 'OperationDefinition' && (!params.operationName || name?.value === params.operationName)
    ));
    return operation?.operation === 'subscription' ? follow(url, send, params, options.headers) : fetcher(params, options);
  };
}

// follow gives the responses as they come. Whoever returns early ends the subscription at once.
function follow(url, send, params, headers) {
  const control = new AbortController();
  const responses = read(url, send, params, headers, control.signal);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => responses.next(),
    return: () => {
      control.abort();
      return responses.return();
    },
  };
}

async function* read(url, send, params, headers, signal) {
  try {
    const response = await send(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
      body: JSON.stringify(params),
      signal,
    });
    if (!/event-stream/.test(response.headers.get('content-type') ?? '')) {
      yield await response.json();
      return;
    }
    let text = '';
    for await (const chunk of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
      text += chunk;
      const events = text.split('\n\n');
      text = events.pop();
      for (const { name, data } of events.map(parse)) {
        if (name === 'complete') return;
        if (name === 'next') yield JSON.parse(data);
      }
    }
    throw new Error('The connection was lost: run it again.');
  } catch (e) {
    if (!signal.aborted) throw e;
  }
}

// chunks reads a stream; not every browser iterates over one by itself.
async function* chunks(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    yield value;
  }
}

// parse reads an event; comments have neither name nor data.
function parse(event) {
  const out = { name: '', data: '' };
  for (const line of event.split('\n')) {
    if (line.startsWith('event:')) out.name = line.slice('event:'.length).trim();
    if (line.startsWith('data:')) out.data += line.slice('data:'.length);
  }
  return out;
}
