//! Whether the process does its work, and if not, why: one sentence for `/readyz` and the log.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// Shared between the process's parts; ready from [`Readiness::ready`] on.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<ArcSwapOption<String>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(ArcSwapOption::from_pointee("starting".to_owned())))
    }
}

impl Readiness {
    /// The process does its work.
    pub fn ready(&self) {
        if self.0.swap(None).is_some() {
            tracing::info!("ready");
        }
    }

    /// The process waits, and for what.
    pub fn not_ready(&self, why: String) {
        let old = self.0.swap(Some(Arc::new(why.clone())));
        if old.as_deref() != Some(&why) {
            tracing::warn!(why, "not ready");
        }
    }

    /// What is waited for, if anything.
    pub fn why_not(&self) -> Option<Arc<String>> {
        self.0.load_full()
    }
}
