// Everything that was made of the pictures as one zip file, put together in the browser.
import { downloadZip } from 'client-zip';
import { callBlob } from '@/api/client';
import type { JobDocument } from '@/api/types';
import { outputsOf } from '@/components/job/outputs';

/** A file of the zip, before it is fetched. */
export interface ArchiveEntry {
  readonly name: string;
  /** Where the service has it. */
  readonly path: string;
}

/** Return what goes into the zip: every picture that was made, no name twice whatever its case. */
export function entriesOf(jobs: readonly JobDocument[]): ArchiveEntry[] {
  const taken = new Set<string>([RESULTS]);
  return jobs.flatMap((job) =>
    outputsOf(job).map(({ filename, url }) => ({ name: freeName(filename, taken), path: url })),
  );
}

/**
 * Fetch all pictures, one after the other, and return the zip: the pictures and `results.json`.
 *
 * @param onFetched called with how many are there.
 * @throws ApiProblem a picture cannot be fetched.
 */
export async function zipOf(
  jobs: readonly JobDocument[],
  onFetched: (count: number) => void = () => undefined,
): Promise<Blob> {
  const entries = entriesOf(jobs);
  async function* files() {
    yield { name: RESULTS, input: JSON.stringify(jobs, null, 2) };
    for (const [index, { name, path }] of entries.entries()) {
      yield { name, input: await callBlob(path) };
      onFetched(index + 1);
    }
  }
  return downloadZip(files()).blob();
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

const RESULTS = 'results.json';

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
