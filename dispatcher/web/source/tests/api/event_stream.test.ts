import { describe, expect, it } from 'vitest';
import { EventStreamParser } from '@/api/event_stream';

const STREAM =
  'retry: 2000\n\nid: 1\nevent: queued\ndata: {"a":1}\n\n: still here\n\nid: 3\nevent: completed\ndata: x\ndata: y\n\n';
const EVENTS = [
  { event: 'queued', data: '{"a":1}', id: '1' },
  { event: 'completed', data: 'x\ny', id: '3' },
];

describe('a stream of events', () => {
  it('is read whole', () => {
    const parser = new EventStreamParser();
    expect(parser.feed(STREAM)).toEqual(EVENTS);
    expect(parser.retryMs).toBe(2000);
  });

  it.each([1, 2, 3, 7, 20])('is read the same in pieces of %i', (size) => {
    const parser = new EventStreamParser();
    const pieces = STREAM.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
    expect(pieces.flatMap((piece) => parser.feed(piece))).toEqual(EVENTS);
  });

  it.each(['\r\n', '\r'])('may end its lines with %j', (end) => {
    const parser = new EventStreamParser();
    expect(parser.feed(`${STREAM.replaceAll('\n', end)}:`)).toEqual(EVENTS);
  });

  it('gives no event that was cut off', () => {
    expect(new EventStreamParser().feed('event: completed\ndata: x\n')).toEqual([]);
  });
});
