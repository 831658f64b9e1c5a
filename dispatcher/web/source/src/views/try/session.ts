// The pictures of this tab: given, sent, watched, kept while other views are shown.
import { computed, effect, signal, untracked } from '@preact/signals';
import { counted } from '@/figures';
import { askBeforeLeaving } from '@/state/leaving';
import { showToast } from '@/state/toasts';
import type { Told } from '@/views/try/archive';
import { currentOrder, stepTypes, zipsByItself } from '@/views/try/choices';
import {
  createAgain,
  createPicture,
  hasFailed,
  isUnsent,
  type PictureItem,
  tallyOf,
} from '@/views/try/pictures';
import { Uploads } from '@/views/try/uploads';
import { Watcher } from '@/views/try/watching';
import { Zipping } from '@/views/try/zipping';

/** All pictures, in the order in which they were given. */
export const pictures = signal<readonly PictureItem[]>([]);
/** Id of the picture whose result is shown; null for none. */
export const selectedId = signal<number | null>(null);

/** How far all of it is. */
export const tally = computed(() => tallyOf(pictures.value.map(({ progress }) => progress.value)));
/** What there is to be told of the pictures that have ended, in their order. */
const told = computed(() => pictures.value.flatMap(toldOf));
/** The picture whose result is shown. */
export const selected = computed(
  () => pictures.value.find(({ id }) => id === selectedId.value) ?? null,
);

const uploads: Uploads = new Uploads({
  stepTypes: () => stepTypes.peek(),
  onAccepted: (picture, jobId) => {
    if (pictures.peek().includes(picture)) watcher.watch(picture, jobId);
    else uploads.settled();
  },
});
const watcher = new Watcher(() => uploads.settled());

/** Take files, to be treated as is chosen now; the first one given is shown. */
export function takeFiles(files: readonly File[]): void {
  const order = currentOrder();
  const given = files.map((file) => createPicture(file, order));
  pictures.value = [...pictures.value, ...given];
  selectedId.value = given[0]?.id ?? selectedId.value;
  uploads.add(given);
}

/** Send pictures once more, as they were ordered. */
export function tryAgain(again: readonly PictureItem[]): void {
  const renewed = new Map(again.map((picture) => [picture.id, createAgain(picture)]));
  pictures.value = pictures.value.map((picture) => renewed.get(picture.id) ?? picture);
  uploads.add([...renewed.values()]);
}

/** Send all pictures once more that came to no good end. */
export function tryFailedAgain(): void {
  tryAgain(pictures.value.filter(({ progress }) => hasFailed(progress.value)));
}

/** Send all pictures once more, to be treated as is chosen now. */
export function runAgain(): void {
  const order = currentOrder();
  tryAgain(pictures.value.map((picture) => ({ ...picture, order })));
}

/** Send a picture once more, to be computed although its result is known. */
export function computeAnew(picture: PictureItem): void {
  tryAgain([{ ...picture, order: { ...picture.order, usesCache: false } }]);
}

/** Forget all pictures; jobs that were accepted run on and can be found among the results. */
export function clear(): void {
  const all = pictures.value;
  pictures.value = [];
  selectedId.value = null;
  for (const picture of all) {
    uploads.drop(picture);
    watcher.drop(picture);
    URL.revokeObjectURL(picture.url);
  }
}

/** The zip of all that was made. */
export const zipping = new Zipping(() => told.value);

function toldOf({ file, progress: { value } }: PictureItem): Told[] {
  if (value.phase === 'ended') return [value.job];
  if (value.phase !== 'refused') return [];
  const { code, detail } = value.problem;
  return [{ filename: file.name, status: 'refused', error: { code, detail } }];
}

askBeforeLeaving(() => pictures.value.some(({ progress }) => isUnsent(progress.value)));

let hasBeenBusy = false;
effect(() => {
  const { total, ended, completed: good, failed } = tally.value;
  const isBusy = ended < total;
  if (hasBeenBusy && !isBusy && total > 0) {
    const bad = failed === 0 ? '' : `, ${failed} failed`;
    untracked(() => {
      showToast(`${counted(good, 'picture')} done${bad}.`, {
        tone: failed === 0 ? 'good' : 'plain',
      });
      if (zipsByItself.value && good > 0) void zipping.make();
    });
  }
  hasBeenBusy = isBusy;
});
