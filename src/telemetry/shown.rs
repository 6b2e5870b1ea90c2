//! Metrics that are made when they are asked for.

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::TypedMetric,
    registry::Unit,
};

/// What a collector shows.
pub trait Shown {
    /// Writes it; a family without a sample would be a description of nothing.
    ///
    /// # Errors
    /// When the encoder's writer fails.
    fn show(&self, to: &mut DescriptorEncoder, name: &str, help: &str, unit: Option<&Unit>) -> std::fmt::Result;
}

impl<M: EncodeMetric + TypedMetric> Shown for M {
    fn show(&self, to: &mut DescriptorEncoder, name: &str, help: &str, unit: Option<&Unit>) -> std::fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        self.encode(to.encode_descriptor(name, &format!("{help}."), unit, M::TYPE)?)
    }
}
