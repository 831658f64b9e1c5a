// One picture: what has become of it, and all that came out.
import { ChevronLeft, ChevronRight, Download, List, RotateCcw } from 'lucide';
import { callBlob } from '@/api/client';
import { ENDED, type JobDocument } from '@/api/types';
import { Icon } from '@/components/Icon';
import { JobOutcome } from '@/components/job/JobOutcome';
import { outputsOf } from '@/components/job/outputs';
import { ProblemNote } from '@/components/ProblemNote';
import { StatusBadge } from '@/components/StatusBadge';
import { formatBytes } from '@/figures';
import { hrefTo } from '@/routes';
import { showProblem } from '@/state/toasts';
import { save } from '@/views/try/archive';
import { hasFailed, type PictureItem, type Progress, stateOf } from '@/views/try/pictures';
import { DETAIL_TITLE, goToList } from '@/views/try/places';
import { computeAnew, pictures, selected, selectedId, tryAgain } from '@/views/try/session';
import { saveZip } from '@/views/try/zipping';

/** The card of the picture that is selected; nothing while none is. */
export function PictureDetail() {
  const picture = selected.value;
  if (picture === null) return null;
  const progress = picture.progress.value;
  return (
    <section class="card stack" aria-labelledby={DETAIL_TITLE}>
      <header class="row row-between">
        <div class="row try-detail-name">
          <h2 id={DETAIL_TITLE} class="clip" tabIndex={-1}>
            {picture.file.name}
          </h2>
          <StatusBadge state={stateOf(progress)} />
          <span class="small muted">{formatBytes(picture.file.size)}</span>
          {progress.phase === 'ended' ? <Origin job={progress.job} /> : null}
        </div>
        <div class="row">
          <Actions picture={picture} progress={progress} />
          <Neighbours picture={picture} />
        </div>
      </header>
      <Content picture={picture} progress={progress} />
    </section>
  );
}

/** Says when nothing had to be computed. */
function Origin({ job }: { job: JobDocument }) {
  if (job.from_cache) return <span class="small muted">from the cache</span>;
  return job.coalesced ? <span class="small muted">shared with an equal picture</span> : null;
}

interface PartProps {
  readonly picture: PictureItem;
  readonly progress: Progress;
}

function Content({ picture, progress }: PartProps) {
  if (progress.phase === 'refused') return <ProblemNote problem={progress.problem} />;
  if (progress.phase === 'ended') {
    return <JobOutcome key={progress.job.request_id} job={progress.job} before={picture.url} />;
  }
  return (
    <div class="stack">
      <Steps progress={progress} />
      <img class="try-sent" src={picture.url} alt={`${picture.file.name}, as it was sent`} />
    </div>
  );
}

const STAGES: readonly string[] = ['waiting', 'uploading', 'queued', 'processing', 'completed'];
const STAGE_NAMES = ['Waiting', 'Uploading', 'Queued', 'Processing', 'Done'] as const;

/** The way of a picture, with where it is now. */
function Steps({ progress }: { progress: Progress }) {
  const at = STAGES.indexOf(stateOf(progress));
  return (
    <ol class="try-steps" aria-label="Progress">
      {STAGE_NAMES.map((name, index) => (
        <li
          key={name}
          class={index < at ? 'is-done' : index === at ? 'is-now' : ''}
          aria-current={index === at ? 'step' : undefined}
        >
          {name}
        </li>
      ))}
    </ol>
  );
}

function Actions({ picture, progress }: PartProps) {
  const outputs = progress.phase === 'ended' ? outputsOf(progress.job) : [];
  const [only] = outputs;
  return (
    <>
      {outputs.length === 1 && only !== undefined ? (
        <button class="button" onClick={() => void download(only.download_url, only.filename)}>
          <Icon of={Download} />
          Download
        </button>
      ) : null}
      {progress.phase === 'ended' && outputs.length > 1 ? (
        <button
          class="button"
          onClick={() => void saveZip([progress.job], zipNameOf(progress.job))}
        >
          <Icon of={Download} />
          Download (zip)
        </button>
      ) : null}
      {progress.phase === 'ended' && ENDED.has(progress.job.status) ? (
        <a class="button button-quiet" href={hrefTo('results', progress.job.request_id)}>
          History
        </a>
      ) : null}
      {progress.phase === 'ended' && progress.job.from_cache ? (
        <button class="button" onClick={() => computeAnew(picture)}>
          <Icon of={RotateCcw} />
          Compute anew
        </button>
      ) : null}
      {hasFailed(progress) ? (
        <button class="button" onClick={() => tryAgain([picture])}>
          <Icon of={RotateCcw} />
          Try again
        </button>
      ) : null}
    </>
  );
}

function Neighbours({ picture }: { picture: PictureItem }) {
  const all = pictures.value;
  const index = all.indexOf(picture);
  if (all.length < 2) return null;
  const go = (step: number): void => {
    selectedId.value = all[(index + step + all.length) % all.length]?.id ?? null;
  };
  return (
    <div class="try-neighbours">
      <button
        class="button button-quiet button-icon"
        aria-label="Back to the list"
        title="Back to the list"
        onClick={() => goToList(picture.id)}
      >
        <Icon of={List} />
      </button>
      <button
        class="button button-quiet button-icon"
        aria-label="Previous picture"
        onClick={() => go(-1)}
      >
        <Icon of={ChevronLeft} />
      </button>
      <button
        class="button button-quiet button-icon"
        aria-label="Next picture"
        onClick={() => go(1)}
      >
        <Icon of={ChevronRight} />
      </button>
    </div>
  );
}

async function download(path: string, name: string): Promise<void> {
  try {
    save(await callBlob(path), name);
  } catch (thrown) {
    showProblem(thrown);
  }
}

function zipNameOf({ filename }: JobDocument): string {
  return `${filename.replace(/\.[^.]*$/, '') || 'pieces'}.zip`;
}
