// Everything that was made of the pictures as one zip file, put together in the browser.
import { downloadZip } from 'client-zip';
import { callBlob } from '@/api/client';
import { type ApiProblem, asProblem } from '@/api/problem';
import type { Fault, JobDocument } from '@/api/types';
import { outputsOf } from '@/components/job/outputs';
import { backoffMs, pauseMs } from '@/state/pausing';

/** A file of the zip, before it is fetched. */
export interface ArchiveEntry {
  readonly name: string;
  /** Where the service has it. */
  readonly path: string;
}

/** A picture that never became a job. */
export interface RefusedPicture {
  readonly filename: string;
  readonly status: 'refused';
  readonly error: Fault;
}

/** What `results.json` tells of one picture that was sent. */
export type Told = JobDocument | RefusedPicture;

/** A picture that the service no longer has. */
export interface Missing {
  /** The name that it would have had in the zip. */
  readonly name: string;
  readonly error: Fault;
}

/** A zip, and what could not be put into it. */
export interface Archive {
  readonly blob: Blob;
  readonly missing: readonly Missing[];
}

const RESULTS = 'results.json';
/** Tries of a picture that the service cannot give at the moment. */
const TRIES = 4;

/** Return what goes into the zip: every picture that was made, no name twice whatever its case. */
export function entriesOf(jobs: readonly Told[]): ArchiveEntry[] {
  return entriesByPicture(jobs).flat();
}

/**
 * Fetch all pictures, one after the other, and return the zip: the pictures and `results.json`.
 *
 * A picture that is gone is left out, and named in `results.json` beside the job that made it.
 *
 * @param onFetched called with how many have been asked for.
 * @throws ApiProblem the service does not give pictures: it is away, or wants a key.
 */
export async function zipOf(
  all: readonly Told[],
  onFetched: (count: number) => void = () => undefined,
): Promise<Archive> {
  const files: { name: string; input: Blob }[] = [];
  const told: object[] = [];
  const missing: Missing[] = [];
  let count = 0;
  for (const [index, entries] of entriesByPicture(all).entries()) {
    const lost: Missing[] = [];
    for (const { name, path } of entries) {
      const fetched = await fetchPicture(path);
      if (fetched instanceof Blob) files.push({ name, input: fetched });
      else lost.push({ name, error: { code: fetched.code, detail: fetched.detail } });
      onFetched((count += 1));
    }
    told.push({ ...all[index], ...(lost.length === 0 ? {} : { missing: lost }) });
    missing.push(...lost);
  }
  // First in the zip, and known last.
  const results = { name: RESULTS, input: JSON.stringify(told, null, 2) };
  return { blob: await downloadZip([results, ...files]).blob(), missing };
}

/** Have the browser save something under a name. */
export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may still be reading
}

/** Fetch a picture, again after a passing problem; return why it cannot be had when it is gone. */
async function fetchPicture(path: string): Promise<Blob | ApiProblem> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await callBlob(path);
    } catch (thrown) {
      const problem = asProblem(thrown);
      if (problem.status === 404 || problem.status === 410) return problem;
      if (!problem.isPassing || failures >= TRIES) throw thrown;
      await pauseMs(Math.max((problem.retryAfterS ?? 0) * 1000, backoffMs(failures)));
    }
  }
}

function entriesByPicture(all: readonly Told[]): ArchiveEntry[][] {
  const taken = new Set<string>([RESULTS]);
  return all.map((each) =>
    each.status === 'refused'
      ? []
      : outputsOf(each).map(({ filename, url }) => ({
          name: freeName(filename, taken),
          path: url,
        })),
  );
}

/** Return a name that is not taken, and take it: `a.jpg`, `a-2.jpg`, `a-3.jpg`. */
function freeName(name: string, taken: Set<string>): string {
  const safe = name.replace(/[\\/:*?"<>|\u0000-\u001f]/g, '_') || 'image';
  const dot = safe.lastIndexOf('.');
  const [stem, ending] = dot > 0 ? [safe.slice(0, dot), safe.slice(dot)] : [safe, ''];
  let free = safe;
  for (let number = 2; taken.has(free.toLowerCase()); number += 1)
    free = `${stem}-${number}${ending}`;
  taken.add(free.toLowerCase());
  return free;
}
