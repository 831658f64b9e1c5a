// All that came out of a job: why it failed, labels, pictures, tiles and where the time went.
import type { JobDocument, PictureOutput } from '@/api/types';
import { Comparison } from '@/components/job/Comparison';
import { Labels } from '@/components/job/Labels';
import { outputsOf } from '@/components/job/outputs';
import { TileMap } from '@/components/job/TileMap';
import { Waterfall } from '@/components/job/Waterfall';
import { Picture, usePicture } from '@/components/Picture';
import { ProblemNote } from '@/components/ProblemNote';
import '@/components/job/job.css';

interface JobOutcomeProps {
  readonly job: JobDocument;
  /** Address of the picture that was sent, when the browser has it. */
  readonly before?: string;
}

/** What came out of a job. */
export function JobOutcome({ job, before }: JobOutcomeProps) {
  return (
    <div class="outcome">
      {job.error === null ? null : <ProblemNote problem={job.error} />}
      <div class="outcome-parts">
        <OutcomePictures job={job} {...(before === undefined ? {} : { before })} />
        <div class="outcome-side">
          {job.result === null ? null : <Labels result={job.result} />}
          <Waterfall job={job} />
        </div>
      </div>
    </div>
  );
}

function OutcomePictures({ job, before }: JobOutcomeProps) {
  const outputs = outputsOf(job);
  const [only] = outputs;
  if (outputs.length > 1) {
    return (
      <div class="stack">
        <Pieces outputs={outputs} />
        <Tiles job={job} url={before ?? null} />
      </div>
    );
  }
  if (only === undefined) {
    return before === undefined ? null : (
      <img class="outcome-picture" src={before} alt={`${job.filename}, as it was sent`} />
    );
  }
  return <MadePicture job={job} output={only} {...(before === undefined ? {} : { before })} />;
}

function MadePicture({ job, output, before }: JobOutcomeProps & { output: PictureOutput }) {
  const { url, problem } = usePicture(output.url);
  if (problem !== null) return <ProblemNote problem={problem} />;
  if (url === null) return <div class="picture-wait outcome-picture" />;
  return (
    <div class="stack">
      {before === undefined ? (
        <img class="outcome-picture" src={url} alt={output.filename} />
      ) : (
        <Comparison before={before} after={url} alt={job.filename} />
      )}
      <p class="small muted">
        {output.filename}: {output.width} × {output.height}, {output.content_type}
      </p>
      <Tiles job={job} url={url} />
    </div>
  );
}

/** The tiles of each step that had any, on a picture if there is one. */
function Tiles({ job, url }: { job: JobDocument; url: string | null }) {
  return (
    <>
      {job.steps
        .filter((step) => (step.tiles ?? []).length > 1)
        .map((step) => (
          <details key={step.id} class="stack" open>
            <summary>
              Tiles of {step.type} ({step.tiles?.length})
            </summary>
            <TileMap step={step} url={url} alt={job.filename} />
          </details>
        ))}
    </>
  );
}

function Pieces({ outputs }: { outputs: readonly PictureOutput[] }) {
  return (
    <ul class="pieces" aria-label="Pieces, in reading order">
      {outputs.map((output) => (
        <li key={output.url}>
          <Picture path={output.url} alt={output.filename} />
          <p class="small muted clip">{output.filename}</p>
        </li>
      ))}
    </ul>
  );
}
