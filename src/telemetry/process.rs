//! What the kernel says of this process, under the names that every Prometheus client uses.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use super::shown::Shown;

/// What times in /proc are counted in: a part of the kernel's interface, 100 on every machine that Rust's Linux targets
/// run on.
const TICKS_A_SECOND: f64 = 100.0;

/// Reads /proc.
#[derive(Debug)]
pub struct ProcessCollector;

/// What is read of a process; the rest of its line in /proc is of no concern.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    /// After the start of the machine.
    start_seconds: f64,
    virtual_bytes: u64,
}

impl Stat {
    /// Reads /proc/self/stat. The second field is the program's name, which may hold anything.
    fn read(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |nth: usize| fields.get(nth - 3)?.parse::<u64>().ok(); // as proc(5) counts them
        Some(Self {
            cpu_seconds: (number(14)? + number(15)?) as f64 / TICKS_A_SECOND,
            start_seconds: number(22)? as f64 / TICKS_A_SECOND,
            virtual_bytes: number(23)?,
        })
    }
}

/// The number after `name` in a file of lines.
fn after(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

impl Collector for ProcessCollector {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let Some(stat) = Stat::read(&read("/proc/self/stat")) else { return Ok(()) }; // not on Linux
        let bytes = Some(&Unit::Bytes);
        ConstCounter::new(stat.cpu_seconds).show(&mut to, "process_cpu", "CPU time used", Some(&Unit::Seconds))?;
        if let Some(resident) = after(&read("/proc/self/status"), "VmRSS:") {
            ConstGauge::new(resident * 1024).show(&mut to, "process_resident_memory", "Memory in use", bytes)?;
        }
        ConstGauge::new(stat.virtual_bytes).show(&mut to, "process_virtual_memory", "Memory asked for", bytes)?;
        if let Some(boot) = after(&read("/proc/stat"), "btime") {
            let help = "When the process was started, in seconds since 1970";
            ConstGauge::new(boot as f64 + stat.start_seconds).show(
                &mut to,
                "process_start_time",
                help,
                Some(&Unit::Seconds),
            )?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            ConstGauge::new(open.count() as u64).show(&mut to, "process_open_fds", "Open files and sockets", None)?;
        }
        if let Some(max) = after(&read("/proc/self/limits"), "Max open files") {
            ConstGauge::new(max).show(&mut to, "process_max_fds", "How many may be open", None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let rest = "S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 4 0 12345 8192000 500 18446744073709551615";
        let stat = Stat { cpu_seconds: 2.0, start_seconds: 123.45, virtual_bytes: 8_192_000 };
        assert_eq!(Stat::read(&format!("7 (a) b (c)) {rest}")), Some(stat));
        assert_eq!(Stat::read("7 (a) S 1"), None);
    }
}
