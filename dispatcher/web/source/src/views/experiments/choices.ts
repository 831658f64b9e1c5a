// What was chosen for the experiments: kept while other views are shown.
import { signal } from '@preact/signals';
import type { Report } from '@/views/experiments/report_reading';

/** Numbers of threads, as they were typed. */
export const threadsText = signal('1, 2, 4, 8');
/** How often each is measured. */
export const repeats = signal(5);
/** How often the kernel runs in one measurement. */
export const passes = signal(4);
/** The picture that is measured. */
export const scalingPicture = signal<File | null>(null);

/** A report that was opened, and the name of its file. */
export const opened = signal<{ readonly name: string; readonly report: Report } | null>(null);

/** A schedule, as it was typed. */
export const scheduleText = signal('2, 4, 6, 8, 8, 6, 4, 2');
/** Sent in turn. */
export const replayPictures = signal<readonly File[]>([]);
/** Id of the pipeline that replays are sent to. */
export const replayPipeline = signal('default');
