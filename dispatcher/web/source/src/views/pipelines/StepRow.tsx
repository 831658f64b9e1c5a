// One step of a pipeline that runs: its replicas, why one does not start, and a slider for more.
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { paramText } from '@/api/params';
import { callJson } from '@/api/client';
import { WORK_MS } from '@/api/deadline';
import type { PipelineStep } from '@/api/service_types';
import { StatusBadge } from '@/components/StatusBadge';
import { showProblem } from '@/state/toasts';
import { boundsOf, replicaLooks, replicaWords } from '@/views/pipelines/scaling';

/** Arrow keys move one by one: the service is told where they stopped. */
const SETTLES_MS = 400;

interface StepRowProps {
  readonly pipelineId: string;
  readonly step: PipelineStep;
  /** Whether it can be changed now. */
  readonly isOpen: boolean;
  /** Called when the service has taken a change. */
  readonly onChanged: () => void;
}

/** A step, as an entry of a list. */
export function StepRow({ pipelineId, step, isOpen, onChanged }: StepRowProps) {
  return (
    <li class="pipelines-row">
      <div class="stack pipelines-row-head">
        <div class="row">
          <strong>
            {step.step_id}. {step.type}
          </strong>
          <StatusBadge state={step.state} />
        </div>
        <Params params={step.params} />
        {step.preferred_next === null ? null : (
          <p class="small muted">then to step {step.preferred_next}, while it is active</p>
        )}
      </div>
      <div class="stack pipelines-row-replicas">
        <Replicas step={step} />
        {step.reason === null ? null : (
          <p class="pipelines-reason">
            <span class="visually-hidden">Why it does not run: </span>
            {step.reason}
          </p>
        )}
      </div>
      <Slider {...{ pipelineId, step, isOpen, onChanged }} />
    </li>
  );
}

function Params({ params }: { params: PipelineStep['params'] }) {
  const set = Object.entries(params);
  if (set.length === 0) return null;
  return (
    <p class="small muted pipelines-params">
      {set.map(([name, value]) => `${name} ${paramText(value)}`).join(' · ')}
    </p>
  );
}

function Replicas({ step }: { step: PipelineStep }) {
  return (
    <div class="row">
      <span class="pipelines-lamps" aria-hidden="true">
        {replicaLooks(step).map((look, index) => (
          <span key={index} class={`pipelines-lamp is-${look}`} />
        ))}
      </span>
      <span class="small muted">{replicaWords(step)}</span>
    </div>
  );
}

function Slider({ pipelineId, step, isOpen, onChanged }: StepRowProps) {
  const id = useId();
  const bounds = boundsOf(step);
  const { wanted, choose } = useScaling({ pipelineId, step, isOpen, onChanged });
  const count = wanted ?? step.replicas.desired;
  return (
    <div class="field pipelines-slider">
      <div class="row row-between">
        <label class="label" for={id}>
          Replicas of {step.type}
        </label>
        <output for={id} class="pipelines-count">
          {count}
        </output>
      </div>
      <input
        id={id}
        type="range"
        min={bounds.min}
        max={Math.max(bounds.max, count)}
        value={count}
        disabled={!isOpen}
        onInput={(event) => choose(Number(event.currentTarget.value))}
      />
      {bounds.isAutomatic ? (
        <span class="field-hint">
          follows the load from {bounds.min} to {bounds.max}
        </span>
      ) : null}
    </div>
  );
}

/** What the slider shows between a change and the service's next word about the step. */
function useScaling({ pipelineId, step, onChanged }: StepRowProps) {
  const [wanted, setWanted] = useState<number | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const isTaken = useRef(false);
  const latest = useRef(0);
  useEffect(() => {
    if (isTaken.current) setWanted(null);
  }, [step]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const send = async (replicas: number): Promise<void> => {
    try {
      const path = `/pipeline/${encodeURIComponent(pipelineId)}/steps/${encodeURIComponent(step.step_id)}`;
      const options = { method: 'PATCH', json: { replicas }, limitMs: WORK_MS } as const;
      await callJson<PipelineStep>(path, options);
      if (latest.current !== replicas) return; // moved on meanwhile
      isTaken.current = true;
      onChanged();
    } catch (thrown) {
      setWanted(null);
      showProblem(thrown);
    }
  };
  const choose = (replicas: number): void => {
    isTaken.current = false;
    latest.current = replicas;
    setWanted(replicas);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void send(replicas), SETTLES_MS);
  };
  return { wanted, choose };
}
