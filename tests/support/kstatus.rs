//! What `kubectl`, Flux and every other user of kstatus make of an object: the rules of sigs.k8s.io/cli-utils
//! (pkg/kstatus/status) for a kind that it does not know by name, in their order.

use serde_json::Value;

/// What kstatus calls an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kstatus {
    /// It is not yet as the spec wants it.
    InProgress,
    /// It is.
    Current,
    /// It is not, and will not be by itself.
    Failed,
    /// It is being deleted.
    Terminating,
}

/// Computes it.
pub fn kstatus(object: &Value) -> Kstatus {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Kstatus::Terminating;
    }
    // A status about another generation says nothing. Without the field, kstatus cannot tell, and goes on.
    let observed = object.pointer("/status/observedGeneration");
    if observed.is_some_and(|observed| Some(observed) != object.pointer("/metadata/generation")) {
        return Kstatus::InProgress;
    }
    let conditions = || object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    // In the order of the list: the first of the two that is true decides.
    for condition in conditions().filter(|c| c["status"] == "True") {
        match condition["type"].as_str() {
            Some("Reconciling") => return Kstatus::InProgress,
            Some("Stalled") => return Kstatus::Failed,
            _ => {}
        }
    }
    match conditions().find(|c| c["type"] == "Ready").map(|c| &c["status"]) {
        Some(status) if status != "True" => Kstatus::InProgress,
        // An object that says nothing at all counts as done: that is what observedGeneration -1 is against.
        _ => Kstatus::Current,
    }
}
