//! What the system knows of a process.

use std::{fs, time::Duration};

/// Linux counts the time of a process in hundredths of a second, whatever its kernel does.
const TICKS_A_SECOND: f64 = 100.0;

/// A running process.
#[derive(Clone, Copy)]
pub struct Gauge(pub u32);

impl Gauge {
    /// The CPU that it has used so far, in user and kernel mode, in seconds.
    pub fn cpu(self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).expect("the process runs");
        // The name, in parentheses, may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
        let ticks = |n: usize| fields[n].parse::<f64>().expect("a number");
        (ticks(11) + ticks(12)) / TICKS_A_SECOND
    }

    /// Resident memory now, in MB.
    pub fn resident(self) -> f64 {
        self.memory("VmRSS:")
    }

    /// The most that was ever resident, in MB.
    pub fn peak(self) -> f64 {
        self.memory("VmHWM:")
    }

    fn memory(self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of it");
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes * 1024.0 / 1e6
    }

    /// Waits until it has used next to nothing for two seconds; returns what it had used by then.
    pub async fn idle(self) -> f64 {
        let mut before = self.cpu();
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let now = self.cpu();
            if now - before < 0.015 {
                return now;
            }
            before = now;
        }
    }
}
