// Documents of the API, as the dispatcher sends them; durations are seconds, moments are ISO 8601 in
// UTC without a zone (see `momentOf`).

/** States of a job. */
export type JobState = 'queued' | 'processing' | 'completed' | 'failed' | 'cancelled' | 'expired';

/** States that a job never leaves. */
export const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled', 'expired']);

/** The answer to a submission. */
export interface Ticket {
  readonly request_id: string;
  readonly status_url: string;
  readonly message: string;
  readonly queue_size: number;
  readonly from_cache: boolean;
}

/** One chunk of a picture that several replicas computed. */
export interface TileRun {
  readonly tile: number;
  readonly rows: number;
  /** Seconds after the job was accepted; not there where that is not known. */
  readonly start?: number;
  readonly time: number;
  readonly replica: string;
  readonly attempts: number;
  /** Which dispatcher had it computed; only there when several share the work. */
  readonly dispatcher?: string;
}

/** One step that ran. */
export interface StepRun {
  readonly id: string;
  readonly type: string;
  /** Seconds after the job was accepted; not there where that is not known. */
  readonly start?: number;
  readonly time: number;
  readonly replica: string | null;
  readonly from_cache?: boolean;
  readonly tiles?: readonly TileRun[];
}

/** A picture that a job made. */
export interface PictureOutput {
  readonly filename: string;
  readonly width: number;
  readonly height: number;
  readonly content_type: string;
  readonly url: string;
  readonly download_url: string;
}

/** One execution time of a grayscale step: of `timings`. */
export interface GrayscaleTiming {
  readonly threads: number;
  readonly passes: number;
  readonly times_s?: readonly number[];
}

/** What came out: labels, a picture, several pictures, or a picture with labels. */
export interface JobOutcome extends Partial<PictureOutput> {
  readonly filename: string;
  readonly inference_time?: number;
  readonly predictions?: readonly string[];
  readonly scores?: readonly number[];
  readonly model?: string;
  readonly outputs?: readonly PictureOutput[];
  /** What a step measured of itself. */
  readonly [more: string]: unknown;
}

/** Why something failed. */
export interface Fault {
  readonly code: string;
  readonly detail: string;
}

/** `GET /result/<id>`. */
export interface JobDocument {
  readonly request_id: string;
  readonly filename: string;
  readonly status: JobState;
  readonly queued_at: string;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly processing_time: number | null;
  readonly queue_time: number | null;
  readonly replica_used: string | null;
  readonly from_cache: boolean;
  readonly coalesced: boolean;
  readonly attempts: number;
  readonly queue_position: number | null;
  readonly eta_s: number | null;
  readonly pipeline: string;
  readonly priority: number;
  readonly deadline_s: number | null;
  readonly requeued_from: string | null;
  readonly steps: readonly StepRun[];
  readonly result: JobOutcome | null;
  readonly error: Fault | null;
}

/** `GET /results`. */
export interface JobPage {
  readonly results: readonly JobDocument[];
  readonly next: string | null;
}

/** `POST /process`. */
export interface BatchTicket {
  readonly batch_id: string;
  readonly status_url: string;
  readonly static_url: string;
  readonly zip_url: string;
  readonly requests: readonly {
    readonly request_id: string;
    readonly filename: string;
    readonly status: JobState | 'gone';
    readonly status_url: string;
  }[];
}

/** JSON schema of one param, as far as the API uses it. */
export interface ParamSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly (string | number | null)[];
  readonly anyOf?: readonly ParamSchema[];
  readonly items?: ParamSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly default?: unknown;
  readonly description?: string;
  readonly examples?: readonly unknown[];
}

/** JSON schema of the params of a step. */
export interface ParamsSchema {
  readonly type: 'object';
  readonly properties: Readonly<Record<string, ParamSchema>>;
  readonly required: readonly string[];
}

/** One entry of `GET /step-types`. */
export interface StepType {
  readonly type: string;
  readonly params: ParamsSchema;
  readonly request_params: ParamsSchema;
  readonly fixed: readonly string[];
  readonly input: 'image';
  readonly output: 'image' | 'images' | 'json';
  readonly shorthand: string | null;
  readonly has_tiles: boolean;
  readonly is_operation: boolean;
}

/** `GET /step-types`. */
export interface StepTypeList {
  readonly step_types: readonly StepType[];
}
