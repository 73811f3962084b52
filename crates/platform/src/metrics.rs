//! The metrics of `/metrics`, in Prometheus text format.
//!
//! Each metric is a constant beside what it measures ([`Metric`]), recorded with the macros of the `metrics` crate under its
//! name. The program lists all of them when it opens the [`Registry`], which gives each its help text and its buckets.

use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// The name of a metric, its help text, and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Begins with `cartwright_`; ends with its unit, or with `_total` when it only grows.
    pub name: &'static str,
    /// What is measured, and what its labels say, for who reads a dashboard.
    pub help: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Counter,
    Gauge,
    /// The upper bounds of its buckets.
    Histogram(&'static [f64]),
}

impl Metric {
    /// A number that only grows.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Counter }
    }

    /// A number that goes up and down.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Gauge }
    }

    /// How often a value was at most each of `buckets`.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str, buckets: &'static [f64]) -> Self {
        Self { name, help, kind: Kind::Histogram(buckets) }
    }

    fn describe(&self) {
        match self.kind {
            Kind::Counter => describe_counter!(self.name, self.help),
            Kind::Gauge => describe_gauge!(self.name, self.help),
            Kind::Histogram(_) => describe_histogram!(self.name, self.help),
        }
    }
}

/// Records the metrics of the process. Cloning is cheap.
#[derive(Clone)]
pub struct Registry(PrometheusHandle);

impl Registry {
    /// Starts recording these metrics.
    ///
    /// # Panics
    /// When the process has a registry already, or a histogram has no buckets.
    #[must_use]
    pub fn install(metrics: &[Metric]) -> Self {
        let builder = metrics.iter().fold(PrometheusBuilder::new(), |builder, metric| match metric.kind {
            Kind::Counter | Kind::Gauge => builder,
            Kind::Histogram(buckets) => {
                let name = Matcher::Full(metric.name.to_owned());
                builder.set_buckets_for_metric(name, buckets).expect("a histogram has buckets")
            }
        });
        let handle = builder.install_recorder().expect("the registry is installed once");
        metrics.iter().for_each(Metric::describe);
        Self(handle)
    }

    /// All metrics in Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Merges the samples of the histograms every 5 seconds, so that they take no more and more memory. Never ends.
    pub async fn upkeep(self) {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            self.0.run_upkeep();
        }
    }
}
