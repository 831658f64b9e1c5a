// Server-sent events over fetch: an EventSource can send no Authorization header.
import { call, chunksOf } from '@/api/client';
import { Deadline } from '@/api/deadline';
import { EventStreamParser, type StreamEvent } from '@/api/event_stream';
import { asProblem } from '@/api/problem';
import { backoffMs, pauseMs } from '@/state/pausing';

/** The service sends a comment every 15 s at least: who is silent for longer is not there. */
const SILENCE_MS = 35_000;

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
 * Yield the events of a stream until it is over; connect again after a break or a
 * silence, with Last-Event-ID.
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
  const deadline = new Deadline(SILENCE_MS, signal);
  try {
    const response = await call(path, { signal: deadline.signal, headers });
    place.isOver = response.status === 204;
    const [parser, decoder] = [new EventStreamParser(), new TextDecoder()];
    for await (const chunk of chunksOf(response)) {
      deadline.renew();
      for (const event of parser.feed(decoder.decode(chunk, { stream: true }))) {
        place.failures = 0;
        place.lastId = event.id;
        yield event;
      }
      place.retryMs = parser.retryMs ?? place.retryMs;
    }
  } finally {
    deadline.stop();
  }
}
