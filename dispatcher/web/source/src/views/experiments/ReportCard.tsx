// A load run's report, opened in the page: it stays in the browser.
import { useSignal } from '@preact/signals';
import { Dropzone } from '@/components/Dropzone';
import { opened } from '@/views/experiments/choices';
import { readReport } from '@/views/experiments/report_reading';
import { ReportView } from '@/views/experiments/ReportView';

/** No run of any length writes more. */
const MOST_BYTES = 200e6;

/** The card. */
export function ReportCard() {
  const fault = useSignal<string | null>(null);
  const open = async (file: File): Promise<void> => {
    if (file.size > MOST_BYTES) {
      fault.value = `${file.name}: a report is not as large as this.`;
      return;
    }
    const read = readReport(await file.text().catch(() => ''));
    fault.value = read.ok ? null : `${file.name}: ${read.error}`;
    if (read.ok) opened.value = { name: file.name, report: read.report };
  };
  return (
    <section class="card stack" aria-labelledby="experiments-report">
      <h2 id="experiments-report">A load run's report</h2>
      <Dropzone
        label="Drop a report.json of the load tester here, or choose"
        accept=".json,application/json"
        isMultiple={false}
        isCompact
        onFiles={([file]) => file !== undefined && void open(file)}
      >
        It is read by the browser and sent nowhere
      </Dropzone>
      {fault.value === null ? null : (
        <p class="field-error" role="alert">
          {fault.value}
        </p>
      )}
      {opened.value === null ? null : <ReportView {...opened.value} />}
    </section>
  );
}
