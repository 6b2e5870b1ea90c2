//! Runs one family of random trials, and says in one line what was tried: for whoever runs a test with `--nocapture`,
//! and for `make test`, which prints the lines of all families from `target/reliability/`.
//!
//! A trial is made of one number. `EUICC_SEED=N` tries that one again, `EUICC_SOAK=10m` tries random ones for so long;
//! otherwise the same few are tried each time.

use std::{
    env, fs,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

/// What a family has tried.
#[derive(Debug, Default)]
pub struct Tally {
    family: &'static str,
    /// Trials.
    pub runs: AtomicU64,
    /// Faults in them.
    pub faults: AtomicU64,
}

impl Tally {
    /// Takes back what an earlier run has said.
    pub fn begin(family: &'static str) -> Self {
        let tally = Self { family, ..Self::default() };
        let _ = fs::remove_file(tally.path());
        tally
    }

    /// Counts one trial more.
    pub fn add(&self, runs: usize, faults: usize) {
        self.runs.fetch_add(runs as u64, Ordering::Relaxed);
        self.faults.fetch_add(faults as u64, Ordering::Relaxed);
    }

    /// Says what was tried, once all of it has held. Family, runs, faults, and what was found: duplicates, lost, stuck.
    pub fn publish(self) {
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let (runs, faults) = (count(&self.runs), count(&self.faults));
        let line = format!("{:<20} {runs:>10} {faults:>10} {:>10} {:>6} {:>6}\n", self.family, 0, 0, 0);
        print!("{line}");
        let path = self.path();
        path.parent().map(fs::create_dir_all).transpose().unwrap();
        fs::write(path, line).unwrap();
    }

    fn path(&self) -> PathBuf {
        let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target = target.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"));
        target.join("reliability").join(format!("{}.txt", self.family))
    }
}

/// Tries `check` on values of `strategy`; it says how many faults there were in one.
pub fn try_all<S: Strategy>(family: &'static str, trials: u64, strategy: &S, check: impl Fn(&S::Value) -> usize) {
    let tally = Tally::begin(family);
    for seed in seeds(trials) {
        if let Err(found) = try_one(strategy, seed, |value| tally.add(1, check(value))) {
            panic!("{family}: {found}\nThe same again: EUICC_SEED={seed}");
        }
    }
    tally.publish();
}

/// Tries one number; what fails is made as small as it can be.
pub fn try_one<S: Strategy>(strategy: &S, seed: u64, check: impl Fn(&S::Value)) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let tree = strategy.new_tree(&mut runner).map_err(|reason| reason.to_string())?;
    let tried = runner.run_one(tree, |value| {
        check(&value);
        Ok(())
    });
    match tried {
        Err(TestError::Fail(reason, value)) => Err(format!("{reason}\n{value:#?}")),
        Err(TestError::Abort(reason)) => Err(reason.to_string()),
        Ok(_) => Ok(()),
    }
}

fn seeds(trials: u64) -> Box<dyn Iterator<Item = u64>> {
    if let Some(seed) = env::var("EUICC_SEED").ok().and_then(|s| s.parse().ok()) {
        return Box::new(std::iter::once(seed));
    }
    match soak() {
        Some(time) => {
            let end = Instant::now() + time;
            Box::new(std::iter::repeat_with(rand::random).take_while(move |_| Instant::now() < end))
        }
        None => Box::new(0..trials),
    }
}

/// How long to go on, if it was asked for.
fn soak() -> Option<Duration> {
    let time: kube::core::Duration = env::var("EUICC_SOAK").ok()?.parse().unwrap();
    Some(time.into())
}
