//! ThingSpace's client: authentication, wire models, error classes. Knows no Kubernetes.

pub mod wire;
