// Every call of the page to the service: the public API, with the key in a header only.
import { ApiProblem, problemOf, unreachable } from '@/api/problem';
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
}

/**
 * Call the service and return its answer.
 *
 * @throws ApiProblem it refused, or did not answer.
 * @throws DOMException `AbortError`: the signal ended the call.
 */
export async function call(path: string, options: CallOptions = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, requestOf(options));
  } catch (thrown) {
    if (options.signal?.aborted === true) throw thrown;
    throw unreachable();
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.isAboutKey) keyIsRefused();
  throw problem;
}

/** Call the service and return the JSON of its answer; see `call` for what is thrown. */
export async function callJson<T>(path: string, options: CallOptions = {}): Promise<T> {
  const response = await call(path, options);
  try {
    return (await response.json()) as T;
  } catch (thrown) {
    if (options.signal?.aborted === true) throw thrown;
    throw new ApiProblem(
      'bad_answer',
      'An answer cannot be read',
      'The answer was cut off or is no JSON.',
      0,
    );
  }
}

/** Call the service and return the text of its answer (`/metrics`). */
export async function callText(path: string, options: CallOptions = {}): Promise<string> {
  return readBody(path, options, (response) => response.text());
}

/** Fetch a picture or another file; the key goes along, so addresses never hold it. */
export async function callBlob(path: string, options: CallOptions = {}): Promise<Blob> {
  return readBody(path, options, (response) => response.blob());
}

/** Return the headers of a request: those given, and the key. */
export function headersOf(given: Readonly<Record<string, string>> = {}): Record<string, string> {
  const key = apiKey.peek();
  return key === '' ? { ...given } : { ...given, Authorization: `Bearer ${key}` };
}

async function readBody<T>(
  path: string,
  options: CallOptions,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const response = await call(path, options);
  try {
    return await read(response);
  } catch (thrown) {
    if (options.signal?.aborted === true) throw thrown;
    throw unreachable(); // the connection broke in the middle
  }
}

function requestOf(options: CallOptions): RequestInit {
  const isJson = options.json !== undefined;
  const type: Record<string, string> = isJson ? { 'Content-Type': 'application/json' } : {};
  const body = isJson ? JSON.stringify(options.json) : options.body;
  return {
    method: options.method ?? 'GET',
    headers: headersOf({ ...type, ...options.headers }),
    cache: 'no-store',
    credentials: 'omit',
    ...(body === undefined ? {} : { body }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}
