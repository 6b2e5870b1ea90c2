//! Places where a test can end or pause the process: before and after each effect on the world. Compiled in with the
//! feature `fault-points` only, never in the shipped binary.
//!
//! `EUICC_FAULT_POINT=trace` names each point on standard error as it is passed; `NAME#N=kill`, `=term` or `=stop` sends
//! the process that signal when it passes NAME for the N-th time.

/// Marks a place. Does nothing in the shipped binary.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub fn fault_point(_name: impl FnOnce() -> String) {}

/// Marks a place.
#[cfg(feature = "fault-points")]
pub fn fault_point(name: impl FnOnce() -> String) {
    enabled::passed(&name());
}

#[cfg(feature = "fault-points")]
mod enabled {
    use std::{
        collections::HashMap,
        sync::{LazyLock, Mutex, PoisonError},
    };

    use rustix::process::{Signal, getpid, kill_process};

    static WANTED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("EUICC_FAULT_POINT").ok());
    static PASSED: LazyLock<Mutex<HashMap<String, u32>>> = LazyLock::new(Mutex::default);

    pub fn passed(name: &str) {
        let Some(wanted) = WANTED.as_deref() else { return };
        let count = {
            let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
            let count = passed.entry(name.to_owned()).or_default();
            *count += 1;
            *count
        };
        if wanted == "trace" {
            eprintln!("fault point {name}#{count} ");
        }
        let signal = match wanted.strip_prefix(&format!("{name}#{count}=")) {
            Some("kill") => Signal::KILL,
            Some("term") => Signal::TERM,
            Some("stop") => Signal::STOP,
            _ => return,
        };
        eprintln!("fault point {name}#{count} strikes");
        let _ = kill_process(getpid(), signal);
        // Another thread may take the signal: this one must not get past the point meanwhile.
        if signal != Signal::TERM {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }
}
