// The zip of all pictures: one at a time, and none is forgotten that was asked for meanwhile.
import { signal } from '@preact/signals';
import { counted } from '@/figures';
import { showProblem, showToast } from '@/state/toasts';
import { type Archive, type Missing, save, type Told, zipOf } from '@/views/try/archive';

/** Names that a note has room for. */
const MOST_NAMES = 3;

/** Makes zips of what there is when each begins. */
export class Zipping {
  /** How many pictures of a zip have been fetched; null while none is made. */
  readonly fetched = signal<number | null>(null);
  private isOwed = false;

  /** @param told what there is to be put into a zip. */
  constructor(private readonly told: () => readonly Told[]) {}

  /** Make a zip and have it saved, after the one that is being made. */
  async make(): Promise<void> {
    this.isOwed = true;
    if (this.fetched.peek() !== null) return;
    while (this.isOwed) {
      this.isOwed = false;
      await this.makeOne();
    }
  }

  private async makeOne(): Promise<void> {
    this.fetched.value = 0;
    await saveZip(this.told(), 'conveyor.zip', (count) => {
      this.fetched.value = count;
    });
    this.fetched.value = null;
  }
}

/** Make a zip and have it saved; say what it lacks, or why there is none. */
export async function saveZip(
  told: readonly Told[],
  name: string,
  onFetched: (count: number) => void = () => undefined,
): Promise<void> {
  try {
    const { blob, missing }: Archive = await zipOf(told, onFetched);
    save(blob, name);
    const [first] = missing;
    if (first === undefined) return;
    showToast(missingWords(missing), { tone: 'bad', code: first.error.code });
  } catch (thrown) {
    showProblem(thrown);
  }
}

/** Return which pictures a zip lacks, in words. */
export function missingWords(missing: readonly Missing[]): string {
  const names = missing.slice(0, MOST_NAMES).map(({ name }) => name);
  const more = missing.length - names.length;
  const list = [...names, ...(more > 0 ? [counted(more, 'more', 'more')] : [])].join(', ');
  const [are, them] = missing.length === 1 ? ['is', 'it'] : ['are', 'them'];
  return `${counted(missing.length, 'picture')} ${are} not in the zip, because the service no longer has ${them}: ${list}.`;
}
