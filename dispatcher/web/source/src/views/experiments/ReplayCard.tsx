// A schedule, replayed from the page.
import { useSignal } from '@preact/signals';
import { useId } from 'preact/hooks';
import { callJson } from '@/api/client';
import type { PipelineList } from '@/api/service_types';
import { Dropzone } from '@/components/Dropzone';
import { counted, formatSeconds } from '@/figures';
import { usePolling } from '@/state/polling';
import { replayPictures, replayPipeline, scheduleText } from '@/views/experiments/choices';
import { ReplayOutcome } from '@/views/experiments/ReplayOutcome';
import { replay, startReplay, stopReplay } from '@/views/experiments/replay_run';
import { readSchedule, REFERENCE } from '@/views/experiments/schedule';

const PIPELINES_EVERY_S = 15;

/** The card. */
export function ReplayCard() {
  const state = replay.value;
  return (
    <section class="card stack" aria-labelledby="experiments-replay">
      <h2 id="experiments-replay">Replay a schedule</h2>
      <p class="muted">
        Pictures are sent when they are due, whatever became of those before. A browser has six
        connections and a clock that others disturb: this shows the service at work. What measures
        it is the load tester, <code>load_tester/load_tester.py --schedule …</code>
      </p>
      <Form isRunning={state?.isRunning === true} />
      {state === null ? null : <ReplayOutcome state={state} />}
    </section>
  );
}

function Form({ isRunning }: { isRunning: boolean }) {
  const hasTried = useSignal(false);
  const read = readSchedule(scheduleText.value);
  const pictures = replayPictures.value;
  const error = !read.ok && hasTried.value ? read.error : null;
  const start = (): void => {
    hasTried.value = true;
    if (!read.ok || pictures.length === 0 || isRunning) return;
    void startReplay({ perSecond: read.perSecond, pictures, pipeline: replayPipeline.value });
  };
  return (
    <form
      class="stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        start();
      }}
    >
      <Dropzone
        label={
          pictures.length === 0
            ? 'Drop the pictures to send here, or choose'
            : `${counted(pictures.length, 'picture')} to send in turn`
        }
        accept="image/*"
        isCompact
        onFiles={(files) => (replayPictures.value = files)}
      />
      <ScheduleField error={error} />
      <PipelineField />
      <div class="row">
        {isRunning ? (
          // Keys: were it the same element, the click would submit the form that it becomes part of.
          <button key="stop" type="button" class="button button-danger" onClick={stopReplay}>
            Stop
          </button>
        ) : (
          <button key="start" class="button button-primary" disabled={pictures.length === 0}>
            Replay
          </button>
        )}
        <button
          type="button"
          class="button"
          onClick={() => (scheduleText.value = REFERENCE.join(', '))}
        >
          The reference schedule
        </button>
      </div>
    </form>
  );
}

function ScheduleField({ error }: { error: string | null }) {
  const id = useId();
  return (
    <div class="field">
      <label class="label" for={id}>
        Pictures in each second
      </label>
      <textarea
        id={id}
        class="textarea"
        rows={3}
        value={scheduleText.value}
        aria-invalid={error !== null}
        aria-describedby={`${id}-hint`}
        onInput={(event) => (scheduleText.value = event.currentTarget.value)}
      />
      {error === null ? (
        <span id={`${id}-hint`} class="field-hint">
          {hintOf(scheduleText.value)}
        </span>
      ) : (
        <span id={`${id}-hint`} class="field-error" role="alert">
          {error}
        </span>
      )}
    </div>
  );
}

function PipelineField() {
  const list = usePolling((signal) => callJson<PipelineList>('/pipeline', { signal }), {
    everyS: PIPELINES_EVERY_S,
  });
  const offered = (list.data.value?.pipelines ?? []).filter(
    ({ pipeline_id: id }) => id !== 'operations', // takes its operations with each request
  );
  return (
    <label class="field">
      <span>Pipeline</span>
      <select
        class="select"
        value={replayPipeline.value}
        onChange={(event) => (replayPipeline.value = event.currentTarget.value)}
      >
        {offered.length === 0 ? <option value="default">default</option> : null}
        {offered.map(({ pipeline_id: id, name }) => (
          <option key={id} value={id}>
            {name ?? id}
          </option>
        ))}
      </select>
    </label>
  );
}

function hintOf(text: string): string {
  const read = readSchedule(text);
  if (!read.ok) return 'A list as the load tester takes it: 4, 8, 11';
  const total = read.perSecond.reduce((sum, count) => sum + count, 0);
  return `${counted(total, 'picture')} in ${formatSeconds(read.perSecond.length)}`;
}
