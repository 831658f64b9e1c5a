// The view "Try it": pictures in, what came out beside it.
import { useEffect, useLayoutEffect } from 'preact/hooks';
import { callJson } from '@/api/client';
import type { PipelineList } from '@/api/service_types';
import type { StepTypeList } from '@/api/types';
import { Dropzone } from '@/components/Dropzone';
import { ProblemNote } from '@/components/ProblemNote';
import { usePolling } from '@/state/polling';
import { showToast } from '@/state/toasts';
import { ChoicesCard } from '@/views/try/ChoicesCard';
import { fault, pipelines, stepTypes } from '@/views/try/choices';
import { PictureDetail } from '@/views/try/PictureDetail';
import { PictureList } from '@/views/try/PictureList';
import { Summary } from '@/views/try/Summary';
import { pictures, takeFiles } from '@/views/try/session';
import '@/views/try/try.css';

const PIPELINES_EVERY_S = 10;

/** The view. */
export default function View() {
  const problem = useCatalogue();
  useFilesFromAnywhere();
  const hasPictures = pictures.value.length > 0;
  return (
    <div class="view">
      <header class="view-head">
        <h1>Try it</h1>
        <p class="muted">Pictures in, answers out.</p>
      </header>
      {problem === null || problem.isPassing || problem.isAboutKey ? null : (
        <ProblemNote problem={problem} />
      )}
      <div class="try-columns">
        <ChoicesCard />
        <div class="try-main">
          <Dropzone
            label="Drop pictures here, paste them, or choose"
            accept="image/*"
            isCompact={hasPictures}
            onFiles={take}
          >
            JPEG, PNG, WebP, GIF, BMP or TIFF; as many as you like
          </Dropzone>
          {hasPictures ? (
            <>
              <Summary />
              <PictureDetail />
              <PictureList />
            </>
          ) : null}
        </div>
      </div>
    </div>
  );
}

function useCatalogue() {
  const types = usePolling((signal) => callJson<StepTypeList>('/step-types', { signal }), {
    everyS: 0,
  });
  const list = usePolling((signal) => callJson<PipelineList>('/pipeline', { signal }), {
    everyS: PIPELINES_EVERY_S,
  });
  const { step_types } = types.data.value ?? {};
  const known = list.data.value?.pipelines;
  useEffect(() => {
    if (step_types !== undefined) stepTypes.value = step_types;
  }, [step_types]);
  useEffect(() => {
    if (known !== undefined) pipelines.value = known;
  }, [known]);
  return types.problem.value ?? list.problem.value;
}

/** Take files that are pasted, or dropped beside the place for them. */
function useFilesFromAnywhere(): void {
  useLayoutEffect(() => {
    const onPaste = (event: ClipboardEvent): void => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length === 0) return; // text, for a field
      event.preventDefault();
      take(files);
    };
    const onDrop = (event: DragEvent): void => {
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length > 0) take(files);
    };
    addEventListener('paste', onPaste);
    addEventListener('drop', onDrop);
    return () => {
      removeEventListener('paste', onPaste);
      removeEventListener('drop', onDrop);
    };
  }, []);
}

function take(files: readonly File[]): void {
  const reason = fault.peek();
  if (reason === null) takeFiles(files);
  else showToast(reason, { tone: 'bad' });
}
