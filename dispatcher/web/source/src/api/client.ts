// Every call of the page to the service: the public API, with the key in a header only.
import { Deadline, USUAL_MS } from '@/api/deadline';
import { noteHeard } from '@/api/hearing';
import { ApiProblem, problemOf, silent, unreachable } from '@/api/problem';
import { apiKey, keyIsRefused } from '@/state/api_key';

/** What a call may say beside its path. */
export interface CallOptions {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is: a picture's bytes or a form. */
  readonly body?: Blob | FormData;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** How long the service may send nothing, before its answer and in the middle; else 15 s. */
  readonly limitMs?: number;
}

/**
 * Call the service and return its answer once it has begun; its body has no limit.
 *
 * @throws ApiProblem it refused, or did not answer.
 * @throws DOMException `AbortError`: the signal ended the call.
 */
export async function call(path: string, options: CallOptions = {}): Promise<Response> {
  return withDeadline(options, (deadline) => answerOf(path, options, deadline));
}

/** Call the service and return the JSON of its answer; see `call` for what is thrown. */
export async function callJson<T>(path: string, options: CallOptions = {}): Promise<T> {
  const text = await callText(path, options);
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ApiProblem('bad_answer', 'An answer cannot be read', 'The answer is no JSON.', 0);
  }
}

/** Call the service and return the text of its answer (`/metrics`). */
export async function callText(path: string, options: CallOptions = {}): Promise<string> {
  return (await callBlob(path, options)).text();
}

/** Fetch a picture or another file; the key goes along, so addresses never hold it. */
export async function callBlob(path: string, options: CallOptions = {}): Promise<Blob> {
  return withDeadline(options, async (deadline) => {
    const response = await answerOf(path, options, deadline);
    const chunks: BlobPart[] = [];
    for await (const chunk of chunksOf(response)) {
      deadline.renew(); // slow is not silent
      chunks.push(chunk);
    }
    return new Blob(chunks, { type: response.headers.get('Content-Type') ?? '' });
  });
}

/** Return the headers of a request: those given, and the key. */
export function headersOf(given: Readonly<Record<string, string>> = {}): Record<string, string> {
  const key = apiKey.peek();
  return key === '' ? { ...given } : { ...given, Authorization: `Bearer ${key}` };
}

/** Yield what arrives of an answer, as it arrives. */
export async function* chunksOf(response: Response): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      noteHeard();
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // frees the connection, whoever stopped listening
  }
}

/** Do something of a call in time; say in words why it did not end well. */
async function withDeadline<T>(
  options: CallOptions,
  run: (deadline: Deadline) => Promise<T>,
): Promise<T> {
  const deadline = new Deadline(options.limitMs ?? USUAL_MS, options.signal);
  try {
    return await run(deadline);
  } catch (thrown) {
    if (thrown instanceof ApiProblem || options.signal?.aborted === true) throw thrown;
    throw deadline.hasPassed ? silent() : unreachable(); // the connection broke, or never was
  } finally {
    deadline.stop();
  }
}

async function answerOf(path: string, options: CallOptions, deadline: Deadline): Promise<Response> {
  const response = await fetch(path, requestOf(options, deadline.signal));
  noteHeard();
  deadline.renew();
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.isAboutKey) keyIsRefused();
  throw problem;
}

function requestOf(options: CallOptions, signal: AbortSignal): RequestInit {
  const isJson = options.json !== undefined;
  const type: Record<string, string> = isJson ? { 'Content-Type': 'application/json' } : {};
  const body = isJson ? JSON.stringify(options.json) : options.body;
  return {
    method: options.method ?? 'GET',
    headers: headersOf({ ...type, ...options.headers }),
    cache: 'no-store',
    credentials: 'omit',
    signal,
    ...(body === undefined ? {} : { body }),
  };
}
