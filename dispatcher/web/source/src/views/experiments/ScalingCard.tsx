// The experiment with threads: one picture, several numbers of threads, and Amdahl's curve.
import { useSignal } from '@preact/signals';
import { Dropzone } from '@/components/Dropzone';
import { NumberField } from '@/components/NumberField';
import { ProblemNote } from '@/components/ProblemNote';
import { TextField } from '@/components/TextField';
import { ScalingOutcome } from '@/views/experiments/ScalingOutcome';
import { MOST_PASSES, MOST_REPEATS, readThreads } from '@/views/experiments/scaling';
import { runScaling, scaling } from '@/views/experiments/scaling_run';
import { passes, repeats, scalingPicture, threadsText } from '@/views/experiments/choices';

/** The card. */
export function ScalingCard() {
  const state = scaling.value;
  return (
    <section class="card stack" aria-labelledby="experiments-scaling">
      <h2 id="experiments-scaling">Threads</h2>
      <p class="muted">
        One picture is turned grey by a replica with each number of threads; the step times its own
        kernel.
      </p>
      <Form />
      {state.phase === 'running' ? (
        <p class="muted" role="status">
          Running: {state.note} …
        </p>
      ) : null}
      {state.phase === 'failed' ? <ProblemNote problem={state.problem} /> : null}
      {state.phase === 'done' ? (
        <ScalingOutcome picture={state.picture} timings={state.timings} />
      ) : null}
    </section>
  );
}

function Form() {
  const fault = useSignal<string | null>(null);
  const picture = scalingPicture.value;
  const start = (): void => {
    const read = readThreads(threadsText.value);
    fault.value = read.ok ? null : read.error;
    if (!read.ok || picture === null) return;
    const order = { threads: read.threads, passes: passes.value, repeats: repeats.value };
    void runScaling(order, picture);
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
        label={picture === null ? 'Drop a picture here, or choose' : picture.name}
        accept="image/*"
        isMultiple={false}
        isCompact
        onFiles={([file]) => (scalingPicture.value = file ?? null)}
      >
        {picture === null ? 'A large one tells more' : 'Drop another one to replace it'}
      </Dropzone>
      <div class="grid experiments-fields">
        <TextField
          label="Threads"
          value={threadsText.value}
          error={fault.value}
          onText={(text) => (threadsText.value = text)}
        />
        <NumberField
          label="Repeats"
          most={MOST_REPEATS}
          value={repeats}
          whenEmpty={repeats.value}
        />
        <NumberField label="Passes" most={MOST_PASSES} value={passes} whenEmpty={passes.value} />
      </div>
      <div class="row">
        <button
          class="button button-primary"
          disabled={picture === null || scaling.value.phase === 'running'}
        >
          Measure
        </button>
      </div>
    </form>
  );
}
