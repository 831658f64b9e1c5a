// Server-sent events over fetch: an EventSource can send no Authorization header.
import { call } from '@/api/client';
import { EventStreamParser, type StreamEvent } from '@/api/event_stream';
import { asProblem } from '@/api/problem';
import { backoffMs, pauseMs } from '@/state/pausing';

/** How far a stream has been read. */
interface Place {
  /** The id of the last event; empty before the first. */
  lastId: string;
  /** Connections in a row that brought nothing. */
  failures: number;
  /** How long the service wants to be left alone. */
  retryMs: number;
  /** Whether the service says that nothing more will come. */
  isOver: boolean;
}

/**
 * Yield the events of a stream until it is over; connect again after a break, with Last-Event-ID.
 *
 * A stream that ends is over when `isLast` said so of its last event, or when the service answers
 * 204; otherwise it was cut, and is taken up where it was.
 *
 * @throws ApiProblem the service refuses for good: no such job, no key.
 * @throws DOMException `AbortError`: the signal ended it.
 */
export async function* followEvents(
  path: string,
  { signal, isLast }: { signal: AbortSignal; isLast: (event: StreamEvent) => boolean },
): AsyncGenerator<StreamEvent> {
  const place: Place = { lastId: '', failures: 0, retryMs: 0, isOver: false };
  while (true) {
    for await (const event of readUntilBreak(path, place, signal)) {
      yield event;
      if (isLast(event)) return;
    }
    if (place.isOver) return;
    await pauseMs(Math.max(place.retryMs, backoffMs(place.failures)), signal);
    place.failures += 1;
  }
}

async function* readUntilBreak(
  path: string,
  place: Place,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  try {
    yield* readOnce(path, place, signal);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    const problem = asProblem(thrown);
    if (problem.status !== 0 && !problem.isPassing) throw problem;
    if (problem.retryAfterS !== null) place.retryMs = problem.retryAfterS * 1000;
  }
}

async function* readOnce(
  path: string,
  place: Place,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  const known: Record<string, string> =
    place.lastId === '' ? {} : { 'Last-Event-ID': place.lastId };
  const headers = { Accept: 'text/event-stream', ...known };
  const response = await call(path, { signal, headers });
  place.isOver = response.status === 204;
  const parser = new EventStreamParser();
  for await (const text of textOf(response)) {
    for (const event of parser.feed(text)) {
      place.failures = 0;
      place.lastId = event.id;
      yield event;
    }
    place.retryMs = parser.retryMs ?? place.retryMs;
  }
}

async function* textOf(response: Response): AsyncGenerator<string> {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // frees the connection, whoever stopped listening
  }
}
