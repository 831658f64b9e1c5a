// Documents about the service itself: /status, /pipeline, /queue.

/** `GET /status`; figures since the start unless said otherwise. */
export interface StatusDocument {
  readonly cache_metrics: {
    /** Percent. */
    readonly cache_hit_rate: number;
    readonly hits: number;
    readonly misses: number;
    readonly coalesced: number;
    readonly size: number;
    readonly max_size: number;
    /** Percent. */
    readonly utilization: number;
    readonly bytes: number;
  };
  readonly health_metrics: {
    /** Percent. */
    readonly error_rate: number;
    /** Unix seconds. */
    readonly last_request_timestamp: number | null;
    readonly uptime: number;
  };
  readonly performance_metrics: {
    readonly avg_processing_time: number;
    readonly avg_queue_time: number;
    /** Completed per second over the last minute. */
    readonly throughput: number;
    readonly p50_latency: number;
    readonly p95_latency: number;
    readonly p99_latency: number;
  };
  readonly queue_metrics: {
    readonly peak_queue_size: number;
    readonly queue_capacity: number;
    /** Percent. */
    readonly queue_utilization: number;
    readonly oldest_age: number;
  };
  readonly storage_metrics: { readonly blob_bytes: number };
  readonly queue_size: number;
  readonly stored_results: number;
  readonly total_requests: number;
  readonly successful_requests: number;
  readonly failed_requests: number;
  readonly cancelled_requests: number;
  readonly expired_requests: number;
  readonly replicas: readonly ReplicaDocument[];
  /** Ids of the pipelines. */
  readonly pipelines: readonly string[];
}

/** One replica in `/status`. */
export interface ReplicaDocument {
  readonly url: string;
  /** `PIPELINE/STEP`. */
  readonly step: string;
  readonly state: string;
  readonly ongoing: number;
  readonly served: number;
  readonly errors: number;
  readonly ewma_latency: number | null;
  /** Most items that it computes at once; absent from dispatchers of older versions. */
  readonly max_batch_size?: number;
}

/** How a step or a pipeline is. */
export type TopologyState = 'starting' | 'ready' | 'degraded' | 'failed' | 'deleting';

/** One step of `GET /pipeline/<id>`. */
export interface PipelineStep {
  readonly step_id: string;
  readonly type: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly next_step: string | null;
  readonly preferred_next: string | null;
  readonly replicas: {
    readonly desired: number;
    readonly running: number;
    readonly ready: number;
    readonly min: number;
    readonly max: number;
  };
  readonly state: TopologyState;
  readonly reason: string | null;
  readonly endpoints: readonly string[];
  readonly gpu: number;
  readonly volumes: readonly string[];
  readonly resources: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** `GET /pipeline/<id>`. */
export interface PipelineDocument {
  readonly pipeline_id: string;
  readonly name: string | null;
  readonly state: TopologyState;
  readonly steps: readonly PipelineStep[];
  readonly entry: {
    readonly step_id: string;
    readonly url: string;
    readonly process_url: string;
    readonly node_port: number | null;
  };
  /** Null for a pipeline that is built in. */
  readonly created_at: string | null;
}

/** `GET /pipeline`. */
export interface PipelineList {
  readonly pipelines: readonly PipelineDocument[];
}

/** `POST /pipeline` and `DELETE /pipeline/<id>`. */
export interface PipelineChanged {
  readonly status: 'success';
  readonly pipeline_id: string;
  readonly results: readonly {
    readonly kind: string;
    readonly name: string;
    readonly url: string | null;
  }[];
}

/** `GET /queue`; needs a key with the scope admin. */
export interface QueueDocument {
  /** Unix seconds. */
  readonly at: number;
  readonly backend: string;
  readonly capacity: number;
  readonly waiting: number;
  readonly in_work: number;
  readonly lanes: readonly {
    readonly lane: string;
    readonly waiting: number;
    readonly in_work: number;
    readonly oldest_age: number;
    readonly priorities: readonly {
      readonly priority: number;
      readonly waiting: number;
      readonly consumers: number | null;
    }[];
  }[];
  /** Failed jobs that are kept, by the code of their error. */
  readonly failed: Readonly<Record<string, number>>;
  readonly dead_messages: number;
}
