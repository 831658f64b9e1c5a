// What has failed, in plain words, with the code that the documentation explains.
import { CircleAlert } from 'lucide';
import type { ComponentChildren } from 'preact';
import type { ApiProblem } from '@/api/problem';
import type { Fault } from '@/api/types';
import { Icon } from '@/components/Icon';

interface ProblemNoteProps {
  readonly problem: ApiProblem | Fault;
  /** A sentence before the service's own. */
  readonly lead?: string;
  /** What can be done about it: buttons. */
  readonly children?: ComponentChildren;
}

/** A note about a refused call or a failed job. */
export function ProblemNote({ problem, lead, children }: ProblemNoteProps) {
  return (
    <div class="problem" role="alert">
      <Icon of={CircleAlert} />
      <div class="problem-text">
        <p>
          {lead === undefined ? '' : `${lead} `}
          {'title' in problem && !problem.detail.startsWith(problem.title) ? (
            <strong>{problem.title}. </strong>
          ) : null}
          {problem.detail} <code class="problem-code">{problem.code}</code>
        </p>
        {children === undefined ? null : <div class="row">{children}</div>}
      </div>
    </div>
  );
}
