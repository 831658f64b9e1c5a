// The text of server-sent events, cut into events (HTML standard, section 9.2.6).

/** One event. */
export interface StreamEvent {
  /** `message` unless the stream says otherwise. */
  readonly event: string;
  readonly data: string;
  /** The last id seen so far; empty before the first. */
  readonly id: string;
}

/** Takes pieces of text as they arrive and gives the events that are complete. */
export class EventStreamParser {
  /** What the stream asked for with `retry:`; null until it did. */
  retryMs: number | null = null;
  private rest = '';
  private event = '';
  private data: string[] = [];
  private id = '';

  /** Take more text; return the events that it completes. */
  feed(text: string): StreamEvent[] {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? '';
    const events: StreamEvent[] = [];
    for (const line of lines) {
      const event = line === '' ? this.take() : this.read(line);
      if (event !== null) events.push(event);
    }
    return events;
  }

  private take(): StreamEvent | null {
    const { event, data, id } = this;
    this.event = '';
    this.data = [];
    return data.length === 0 ? null : { event: event || 'message', data: data.join('\n'), id };
  }

  private read(line: string): null {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.event = value;
    else if (name === 'data') this.data.push(value);
    else if (name === 'id') this.id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
    return null; // a comment begins with the colon, so its name is empty
  }
}
