//! What is measured, one file a subject.

pub mod counts;
pub mod latency;
pub mod memory;
pub mod speed;
pub mod start;
