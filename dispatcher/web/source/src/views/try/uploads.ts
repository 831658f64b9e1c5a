// Sends pictures, a few at a time, and minds that no more are on their way than can be watched.
import { effect } from '@preact/signals';
import { callJson } from '@/api/client';
import { uploadMs } from '@/api/deadline';
import { ApiProblem, asProblem, SILENT } from '@/api/problem';
import { type BatchTicket, ENDED, type JobState, type StepType, type Ticket } from '@/api/types';
import { apiKey } from '@/state/api_key';
import { backoffMs } from '@/state/pausing';
import { service } from '@/state/service';
import { isSafeTwice, submissionOf } from '@/views/try/order';
import type { PictureItem } from '@/views/try/pictures';

/** Uploads at the same time: a browser has six connections to one host, and others need some. */
const LANES = 2;
/** Pictures that are accepted and have not ended; the rest waits here, not in the service. */
const MOST_UNSETTLED = 40;
/** Tries without an answer, from a service that says it is well, until a picture is given up. */
const MOST_SILENCES = 5;

/** How long the service is left alone without a key; another key is tried at once. */
const KEY_PAUSE_MS = 10_000;

/** What becomes of pictures on their way; the view and the watcher listen. */
export interface UploadHooks {
  /** A job has been accepted, or was answered from the cache. */
  readonly onAccepted: (picture: PictureItem, jobId: string, state: JobState) => void;
  readonly stepTypes: () => readonly StepType[];
}

/** Sends pictures in the order in which they were given. */
export class Uploads {
  private readonly waiting: PictureItem[] = [];
  private readonly silences = new Map<number, number>();
  private readonly removed = new WeakSet<PictureItem>();
  private sending = 0;
  private unsettled = 0;
  private failures = 0;
  private pausedUntil = 0;

  constructor(private readonly hooks: UploadHooks) {
    effect(() => {
      void apiKey.value; // another key may be let in
      this.goOn();
    });
  }

  /** Take pictures. */
  add(pictures: readonly PictureItem[]): void {
    this.waiting.push(...pictures);
    this.pump();
  }

  /** Forget a picture that has not been sent. */
  drop(picture: PictureItem): void {
    const index = this.waiting.indexOf(picture);
    if (index >= 0) this.waiting.splice(index, 1);
    this.removed.add(picture);
  }

  /** Note that an accepted picture has ended, or is not watched any more. */
  settled(): void {
    this.unsettled -= 1;
    this.pump();
  }

  private goOn(): void {
    this.pausedUntil = 0;
    this.pump();
  }

  private pump(): void {
    if (Date.now() < this.pausedUntil) return;
    while (this.sending < LANES && this.unsettled < MOST_UNSETTLED) {
      const picture = this.waiting.shift();
      if (picture === undefined) return;
      this.sending += 1;
      this.unsettled += 1;
      void this.send(picture).finally(() => {
        this.sending -= 1;
        this.pump();
      });
    }
  }

  private async send(picture: PictureItem): Promise<void> {
    picture.progress.value = { phase: 'uploading' };
    try {
      await checkReadable(picture.file);
      const [jobId, state] = await submit(picture, this.hooks.stepTypes());
      this.failures = 0;
      picture.progress.value = { phase: 'accepted', jobId, state, position: null };
      this.hooks.onAccepted(picture, jobId, state);
    } catch (thrown) {
      this.unsettled -= 1;
      if (!this.removed.has(picture)) this.take(asProblem(thrown), picture);
    }
  }

  /** Decide what a refusal means: later again, or never. */
  private take(problem: ApiProblem, picture: PictureItem): void {
    if (problem.isAboutKey) {
      this.hold(picture, 'needs an API key', KEY_PAUSE_MS);
    } else if (problem.code === SILENT && !isSafeTwice(picture.order)) {
      picture.progress.value = { phase: 'refused', problem: doubtful() };
    } else if (problem.isPassing && !this.isHopeless(problem, picture)) {
      this.failures += 1;
      const pause = Math.max((problem.retryAfterS ?? 0) * 1000, backoffMs(this.failures));
      this.hold(picture, problem.status === 0 ? 'no answer yet' : problem.title, pause);
    } else {
      picture.progress.value = { phase: 'refused', problem };
    }
  }

  private hold(picture: PictureItem, note: string, pause: number): void {
    picture.progress.value = { phase: 'waiting', note };
    this.waiting.unshift(picture);
    this.pausedUntil = Math.max(this.pausedUntil, Date.now() + pause);
    setTimeout(() => this.pump(), pause + 1);
  }

  /** A picture that ends every connection of a service that is well will not get through. */
  private isHopeless(problem: ApiProblem, picture: PictureItem): boolean {
    if (problem.status !== 0) return false;
    const silences = (this.silences.get(picture.id) ?? 0) + 1;
    this.silences.set(picture.id, silences);
    return silences >= MOST_SILENCES && service.peek().condition === 'ready';
  }
}

async function submit(
  picture: PictureItem,
  stepTypes: readonly StepType[],
): Promise<[jobId: string, state: JobState]> {
  const { path, fileField, fields } = submissionOf(picture.order, stepTypes);
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  form.append(fileField, picture.file, picture.file.name);
  const upload = { method: 'POST', body: form, limitMs: uploadMs(picture.file.size) } as const;
  if (picture.order.kind === 'pipeline') {
    const headers = { 'Idempotency-Key': picture.idempotencyKey };
    const ticket = await callJson<Ticket>(path, { ...upload, headers });
    return [ticket.request_id, ticket.from_cache ? 'completed' : 'queued'];
  }
  const batch = await callJson<BatchTicket>(path, upload);
  const [request] = batch.requests;
  if (request === undefined) {
    throw new ApiProblem(
      'bad_answer',
      'An answer cannot be read',
      'No request was made of it.',
      500,
    );
  }
  const state = ENDED.has(request.status) ? (request.status as JobState) : 'queued';
  return [request.request_id, state];
}

/** It may have been accepted: only a person can tell whether it shall be computed once more. */
function doubtful(): ApiProblem {
  return new ApiProblem(
    SILENT,
    'No answer in time',
    'The service did not answer in time and may have taken the picture: see the results first.',
    0,
  );
}

/** A folder, or a file that is gone, would look like a connection that breaks. */
async function checkReadable(file: File): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new ApiProblem(
      'unreadable_file',
      'Unreadable',
      'The browser cannot read this file.',
      400,
    );
  }
}
