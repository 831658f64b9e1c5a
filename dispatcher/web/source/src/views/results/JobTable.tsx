// Jobs as rows of a table.
import type { JobDocument } from '@/api/types';
import { StatusBadge } from '@/components/StatusBadge';
import { formatDate, formatSeconds, momentOf } from '@/figures';
import { hrefTo } from '@/routes';

/** A table of jobs; each leads to all that is known of it. */
export function JobTable({ jobs }: { jobs: readonly JobDocument[] }) {
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="Jobs, the latest first">
      <table class="table results-table">
        <thead>
          <tr>
            <th scope="col">File</th>
            <th scope="col">State</th>
            <th scope="col">Pipeline</th>
            <th scope="col">Accepted</th>
            <th scope="col" class="number">
              Waited
            </th>
            <th scope="col" class="number">
              Computed
            </th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <tr key={job.request_id}>
              <td class="results-file">
                <a href={hrefTo('results', job.request_id)} title={job.request_id}>
                  {job.filename === '' ? job.request_id : job.filename}
                </a>
              </td>
              <td>
                <StatusBadge state={job.status} />
                {job.error === null ? null : (
                  <>
                    {' '}
                    <code class="small">{job.error.code}</code>
                  </>
                )}
              </td>
              <td>{job.pipeline}</td>
              <td class="results-moment">{formatDate(momentOf(job.queued_at))}</td>
              <td class="number">{formatSeconds(job.queue_time)}</td>
              <td class="number">
                {job.from_cache ? 'from the cache' : formatSeconds(job.processing_time)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
