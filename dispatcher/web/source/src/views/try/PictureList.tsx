// All pictures as small cards; each draws itself anew alone, so that hundreds stay light.
import { computed, signal } from '@preact/signals';
import { ImageOff } from 'lucide';
import { useState } from 'preact/hooks';
import { Icon } from '@/components/Icon';
import { outputsOf } from '@/components/job/outputs';
import { StatusBadge } from '@/components/StatusBadge';
import { counted, formatPercent } from '@/figures';
import { hasFailed, type PictureItem, type Progress, stateOf } from '@/views/try/pictures';
import { cardId, goToDetail, LIST_TITLE } from '@/views/try/places';
import { pictures, selectedId, tally } from '@/views/try/session';

const onlyFailed = signal(false);
/** What is listed: all, or what came to no good end. */
const shown = computed(() =>
  onlyFailed.value
    ? pictures.value.filter(({ progress }) => hasFailed(progress.value))
    : pictures.value,
);

/** The pictures, and a filter when some have failed. */
export function PictureList() {
  return (
    <section class="stack" aria-labelledby={LIST_TITLE}>
      <div class="row row-between">
        <h2 id={LIST_TITLE} tabIndex={-1}>
          Pictures
        </h2>
        <FailedFilter />
      </div>
      <ul class="try-list">
        {shown.value.map((picture) => (
          <Card key={picture.id} picture={picture} />
        ))}
      </ul>
    </section>
  );
}

function FailedFilter() {
  const { failed } = tally.value;
  if (failed === 0 && !onlyFailed.value) return null;
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={onlyFailed.value}
        onChange={(event) => (onlyFailed.value = event.currentTarget.checked)}
      />
      <span>Only what has failed ({failed})</span>
    </label>
  );
}

// Reads signals, so it is drawn anew only when what it shows has changed.
function Card({ picture }: { picture: PictureItem }) {
  const progress = picture.progress.value;
  const isSelected = selectedId.value === picture.id;
  const state = stateOf(progress);
  return (
    <li class="try-card">
      <button
        id={cardId(picture.id)}
        class={isSelected ? 'try-card-button is-selected' : 'try-card-button'}
        aria-pressed={isSelected}
        onClick={() => goToDetail(picture.id)}
      >
        <Thumbnail url={picture.url} />
        <span class="try-card-text">
          <span class="clip">{picture.file.name}</span>
          <StatusBadge state={state} />
          <span class="small muted clip">{noteOf(progress)}</span>
        </span>
      </button>
    </li>
  );
}

function Thumbnail({ url }: { url: string }) {
  const [isBroken, setIsBroken] = useState(false);
  if (isBroken) {
    return (
      <span class="try-thumb try-thumb-broken">
        <Icon of={ImageOff} />
      </span>
    );
  }
  return (
    <img
      class="try-thumb"
      src={url}
      alt=""
      loading="lazy"
      decoding="async"
      onError={() => setIsBroken(true)}
    />
  );
}

function noteOf(progress: Progress): string {
  switch (progress.phase) {
    case 'waiting':
      return progress.note ?? '';
    case 'uploading':
      return '';
    case 'accepted':
      return progress.position === null ? '' : `${progress.position} before it`;
    case 'refused':
      return progress.problem.title;
    case 'ended':
      return outcomeOf(progress);
  }
}

function outcomeOf({ job }: Extract<Progress, { phase: 'ended' }>): string {
  if (job.error !== null) return job.error.code;
  const [label] = job.result?.predictions ?? [];
  const score = job.result?.scores?.[0];
  if (label !== undefined)
    return `${label}${score === undefined ? '' : ` ${formatPercent(100 * score)}`}`;
  const made = outputsOf(job);
  const [only] = made;
  return made.length === 1 && only !== undefined
    ? `${only.width} × ${only.height}`
    : counted(made.length, 'picture');
}
