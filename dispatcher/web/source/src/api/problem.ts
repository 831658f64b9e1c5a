// What a call can fail with: always one kind of error, with words for people and a code for us.

/** The code when the service took a call and said nothing in time. */
export const SILENT = 'no_answer_in_time';

/** A refusal by the service, or the lack of any answer. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';

  /**
   * @param code stable, lower_snake: the service's own, or `unreachable` and
   *   `no_answer_in_time` when nobody answered.
   * @param title a few words.
   * @param detail a sentence.
   * @param status of HTTP; 0 when there was no answer.
   * @param retryAfterS when to try again, in seconds; null when nobody said.
   */
  constructor(
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly status: number,
    readonly retryAfterS: number | null = null,
  ) {
    super(detail);
  }

  /** Whether the same call may succeed a little later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || (this.status >= 502 && this.status <= 504);
  }

  /** Whether a key is missing, or is none of the service's. */
  get isAboutKey(): boolean {
    return this.status === 401;
  }
}

/** The problem when no answer came at all. */
export function unreachable(): ApiProblem {
  return new ApiProblem(
    'unreachable',
    'No answer',
    'The service does not answer. The page goes on by itself as soon as it does.',
    0,
  );
}

/** The problem when the service took a call and said nothing in time: nobody knows what it did. */
export function silent(): ApiProblem {
  return new ApiProblem(
    SILENT,
    'No answer in time',
    'The service did not answer in time. It may have done what it was asked for.',
    0,
  );
}

/** Read the problem of an answer that was no success. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const document = await readObject(response);
  const title = text(document['title']) ?? (response.statusText || `Status ${response.status}`);
  return new ApiProblem(
    text(document['code']) ?? `http_${response.status}`,
    title,
    text(document['detail']) ?? `${title}.`,
    response.status,
    secondsOf(response.headers.get('Retry-After')),
  );
}

/** Make a problem of whatever was thrown; what is none of ours comes out as `page_error`. */
export function asProblem(thrown: unknown): ApiProblem {
  if (thrown instanceof ApiProblem) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new ApiProblem('page_error', 'The page has failed', detail, 0);
}

async function readObject(response: Response): Promise<Record<string, unknown>> {
  try {
    const document: unknown = await response.json();
    return typeof document === 'object' && document !== null ? { ...document } : {};
  } catch {
    return {}; // a proxy's own page, or a connection that broke
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function secondsOf(header: string | null): number | null {
  const seconds = header === null || header === '' ? Number.NaN : Number(header);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}
