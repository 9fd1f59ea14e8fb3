//! Latencies, and what processes use of the machine.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// How long requests took, and how many were refused.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    micros: Vec<u64>,
    refused_micros: Vec<u64>,
    /// Answered with 503.
    pub(crate) busy: usize,
    /// Of these, how many did not say when to come again.
    pub(crate) without_retry_after: usize,
    /// Answered with any other error.
    pub(crate) failed: usize,
}

impl Latencies {
    pub(crate) fn record(&mut self, took: Duration) {
        self.micros.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn record_refused(&mut self, took: Duration) {
        self.refused_micros.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.micros.extend(other.micros);
        self.refused_micros.extend(other.refused_micros);
        self.busy += other.busy;
        self.without_retry_after += other.without_retry_after;
        self.failed += other.failed;
    }

    /// How many requests did what they were to do.
    pub(crate) fn accepted(&self) -> usize {
        self.micros.len()
    }

    /// The latency, in milliseconds, that this share of the accepted requests stayed below.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        percentile(&self.micros, share)
    }

    pub(crate) fn summary(&self, elapsed: Duration, used: &Usage) -> Summary {
        Summary {
            per_s: self.accepted() as f64 / elapsed.as_secs_f64(),
            p50_ms: self.percentile(0.5),
            p99_ms: self.percentile(0.99),
            max_ms: self.percentile(1.0),
            refused_p99_ms: percentile(&self.refused_micros, 0.99),
            cpu_us: used.cpu_us / (self.accepted() + self.busy).max(1) as f64,
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below the length")]
fn percentile(micros: &[u64], share: f64) -> f64 {
    let mut sorted = micros.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).map_or(0.0, |micros| *micros as f64 / 1000.0)
}

/// What a load came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// Accepted requests a second.
    pub(crate) per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Of the requests answered with 503.
    pub(crate) refused_p99_ms: f64,
    /// The process's CPU time a request, in microseconds.
    pub(crate) cpu_us: f64,
}

/// What the service did under a load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// PostgreSQL's CPU time a request, in microseconds.
    pub(crate) database_cpu_us: Option<f64>,
    pub(crate) resident_mib: f64,
    pub(crate) peak_mib: f64,
    pub(crate) busy: usize,
    pub(crate) without_retry_after: usize,
    pub(crate) failed: usize,
    pub(crate) livez_p99_ms: f64,
    /// How many a second the background finished.
    pub(crate) settled_per_s: Option<f64>,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time of the process itself, in microseconds.
    pub(crate) cpu_us: f64,
    pub(crate) resident_mib: f64,
    pub(crate) peak_mib: f64,
}

impl Usage {
    /// What this process has used.
    pub(crate) fn of(id: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("the process has gone")?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
        };
        let stat = Stat::of(id).context("the process has gone")?;
        Ok(Self { cpu_us: stat.cpu_us, resident_mib: mib("VmRSS:"), peak_mib: mib("VmHWM:") })
    }

    /// The CPU time of this process and of all below it, those that have ended included.
    pub(crate) fn of_tree(root: u32) -> Result<Self> {
        let processes: Vec<(u32, Stat)> = std::fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|id| Some((id, Stat::of(id)?)))
            .collect();
        let mut tree = vec![root];
        let mut cpu_us = 0.0;
        while let Some(parent) = tree.pop() {
            for (id, stat) in &processes {
                if *id == parent {
                    cpu_us += stat.cpu_us + stat.ended_us;
                }
                if stat.parent == parent {
                    tree.push(*id);
                }
            }
        }
        Ok(Self { cpu_us, ..Self::default() })
    }

    /// What has been used since.
    pub(crate) fn since(self, before: &Self) -> Self {
        Self { cpu_us: self.cpu_us - before.cpu_us, ..self }
    }
}

/// A line of `/proc/ID/stat`.
struct Stat {
    parent: u32,
    cpu_us: f64,
    /// Of the children that were waited for.
    ended_us: f64,
}

impl Stat {
    fn of(id: u32) -> Option<Self> {
        let line = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name, which may hold anything, ends with the last parenthesis.
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |n: usize| fields.get(n)?.parse::<f64>().ok();
        // Linux counts this file's ticks in hundredths of a second, whatever the kernel's own.
        let us = 10_000.0;
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            cpu_us: (ticks(11)? + ticks(12)?) * us,
            ended_us: (ticks(13)? + ticks(14)?) * us,
        })
    }
}
