//! What the server has done, in numbers.
//!
//! Labels have few values, whatever clients send: routes are their patterns, not their paths, and methods are
//! those that routes have.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus::{
    CounterVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::create::Phase;
use crate::jobs::{self, Job, Kind};

/// Upper bounds in seconds: from an answer out of memory to a create that waits for a slow disk.
const DURATIONS: [f64; 12] = [0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// The numbers of one server.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    uploaded: IntCounter,
    pub(super) jobs: IntGaugeVec,
    ended: IntCounterVec,
    phases: CounterVec,
    read: IntCounter,
    written: IntCounter,
    pub(super) resident: IntGauge,
    pub(super) peak: IntGauge,
    pub(super) anonymous: IntGauge,
    pub(super) available: IntGauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new().expect("names and labels are valid and differ")
    }
}

impl Metrics {
    fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            prometheus::Result::Ok(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            prometheus::Result::Ok(gauge)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            prometheus::Result::Ok(counters)
        };
        let durations = HistogramOpts::new(
            "ollamake_http_request_duration_seconds",
            "Time from a request's head to its answer's head.",
        );
        let durations = HistogramVec::new(durations.buckets(DURATIONS.to_vec()), &["route"])?;
        registry.register(Box::new(durations.clone()))?;
        let jobs = Opts::new("ollamake_jobs", "Jobs under way, by stage.");
        let jobs = IntGaugeVec::new(jobs, &["stage", "state"])?;
        registry.register(Box::new(jobs.clone()))?;
        let phases = Opts::new("ollamake_job_phase_seconds_total", "Time that jobs spent in each phase.");
        let phases = CounterVec::new(phases, &["phase"])?;
        registry.register(Box::new(phases.clone()))?;
        let metrics = Self {
            requests: counters(
                "ollamake_http_requests_total",
                "Requests answered.",
                &["method", "route", "status"],
            )?,
            durations,
            uploaded: counter("ollamake_uploaded_bytes_total", "Bytes of blobs received from clients.")?,
            jobs,
            ended: counters("ollamake_jobs_ended_total", "Jobs that ended.", &["kind", "state"])?,
            phases,
            read: counter(
                "ollamake_job_read_bytes_total",
                "Bytes that jobs read from blobs and registries.",
            )?,
            written: counter(
                "ollamake_job_written_bytes_total",
                "Bytes of weights that jobs wrote, or sent to registries.",
            )?,
            resident: gauge("process_resident_memory_bytes", "Resident memory, mapped files included.")?,
            peak: gauge("ollamake_process_peak_memory_bytes", "The highest resident memory so far.")?,
            anonymous: gauge(
                "ollamake_process_anonymous_memory_bytes",
                "Resident memory without mapped files.",
            )?,
            available: gauge("ollamake_store_available_bytes", "Space left on the store's file system.")?,
            registry,
        };
        // What has not happened yet is there too, as zero.
        for kind in Kind::ALL {
            for state in jobs::State::ENDED {
                metrics.ended.with_label_values(&[kind.name(), state.name()]);
            }
        }
        for phase in Phase::ALL {
            metrics.phases.with_label_values(&[phase.name()]);
        }
        Ok(metrics)
    }

    /// A request to a route was answered.
    pub(super) fn answered(&self, method: &Method, route: &str, status: StatusCode, time: Duration) {
        let method = match method.as_str() {
            known @ ("GET" | "HEAD" | "POST" | "DELETE" | "OPTIONS") => known,
            _ => "other",
        };
        let class = match status.as_u16() / 100 {
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.requests.with_label_values(&[method, route, class]).inc();
        self.durations.with_label_values(&[route]).observe(time.as_secs_f64());
    }

    /// Bytes of a blob came in.
    pub(super) fn uploaded(&self, bytes: u64) {
        self.uploaded.inc_by(bytes);
    }

    /// A job ended.
    pub(super) fn job_ended(&self, job: &Job) {
        let state = job.standing().state;
        self.ended.with_label_values(&[job.order().kind.name(), state.name()]).inc();
        let usage = &job.order().usage;
        for phase in Phase::ALL {
            self.phases.with_label_values(&[phase.name()]).inc_by(usage.spent(phase).as_secs_f64());
        }
        self.read.inc_by(usage.read());
        self.written.inc_by(usage.written());
    }
}
