// Figures as people read them.

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
/** What is shown where there is no figure. */
export const NONE = '–';

/** Return a duration: `0.4 ms`, `38 ms`, `1.25 s`, `3 min 20 s`. */
export function formatSeconds(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return NONE;
  if (seconds < 0.001) return seconds === 0 ? '0 ms' : `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 1) return `${significant(seconds * 1000)} ms`;
  if (seconds < 60) return `${significant(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Return a size: `920 B`, `1.4 MB`. */
export function formatBytes(bytes: number | null): string {
  if (bytes === null || !Number.isFinite(bytes)) return NONE;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${power === 0 ? WHOLE.format(bytes) : significant(bytes / 1000 ** power)} ${units[power]}`;
}

/** Return a count: `12,345`. */
export function formatCount(count: number | null): string {
  return count === null || !Number.isFinite(count) ? NONE : WHOLE.format(count);
}

/** Return a rate: `0.42`, `18.3`, `1,204`. */
export function formatRate(perSecond: number | null): string {
  if (perSecond === null || !Number.isFinite(perSecond)) return NONE;
  return perSecond >= 1000 ? WHOLE.format(perSecond) : significant(perSecond);
}

/** Return percent: `55.4 %`. */
export function formatPercent(percent: number | null): string {
  return percent === null || !Number.isFinite(percent) ? NONE : `${significant(percent)} %`;
}

/** Read a moment of the API: ISO 8601 in UTC without a zone; null when there is none. */
export function momentOf(text: string | null | undefined): Date | null {
  if (text === null || text === undefined) return null;
  const moment = new Date(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(moment.getTime()) ? null : moment;
}

/** Return a moment's time of day, as the person's own clock shows it. */
export function formatClock(moment: Date | null): string {
  return moment === null ? NONE : CLOCK.format(moment);
}

/** Return a moment with its date. */
export function formatDate(moment: Date | null): string {
  return moment === null ? NONE : DATE.format(moment);
}

/** Return a noun with its number: `1 picture`, `3 pictures`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

function significant(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}
