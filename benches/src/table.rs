//! Medians, and the table that is printed.

use std::time::Duration;

use crate::load::Measured;

/// What is measured, beside its limit, over several rounds.
pub struct Row {
    pub name: &'static str,
    pub shop: Vec<Measured>,
    pub limit: Vec<Measured>,
    /// The limit per second, where it is no server.
    pub writes: Vec<f64>,
}

pub fn print_head() {
    println!(
        "{:<36} {:>10} {:>10} {:>6} {:>9} {:>9} {:>8} {:>8}",
        "", "shop/s", "limit/s", "ratio", "shop CPU", "limit CPU", "p50", "p99"
    );
}

impl Row {
    pub fn print(&self) {
        let of = |runs: &[Measured], value: fn(&Measured) -> f64| median(runs.iter().map(value).collect());
        let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
        let shop = of(&self.shop, |run| run.per_second);
        let limits = self.limit.iter().map(|run| run.per_second).chain(self.writes.iter().copied());
        let limit = median(limits.collect());
        let cpu = |runs| of(runs, |run| run.cpu.as_secs_f64() * 1e6);
        let latency = |share| median(self.shop.iter().map(|run| microseconds(run.latency(share))).collect());
        println!(
            "{:<36} {shop:>10.0} {limit:>10.0} {:>6.2} {:>6.1} µs {:>6.1} µs {:>5.0} µs {:>5.0} µs",
            self.name,
            shop / limit,
            cpu(&self.shop),
            cpu(&self.limit),
            latency(0.5),
            latency(0.99),
        );
    }
}

/// Not a number when nothing was measured.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
