//! What makes two specs the same request, and what makes two resources wait differently.

use serde_json::json;
use uuid::Uuid;

use super::Subject;

/// Fingerprint of what would be sent. Salted with the uid, since it covers a person's address and stands in status.
pub(super) fn of(subject: &Subject<'_>) -> String {
    let spec = subject.spec;
    let sent = json!([
        spec.connection_ref,
        spec.account_name,
        spec.devices,
        spec.smsr_oid,
        spec.carrier_name,
        spec.service_plan,
        spec.mdn_zip_code,
        spec.carrier_ip_pool_name,
        spec.primary_place_of_use,
    ]);
    let salt = Uuid::new_v5(&Uuid::NAMESPACE_OID, subject.uid.as_bytes());
    Uuid::new_v5(&salt, sent.to_string().as_bytes()).to_string()
}

/// A number from 0 to 1 that stays the same for a resource.
pub(super) fn jitter(uid: &str) -> f64 {
    let bytes = Uuid::new_v5(&Uuid::NAMESPACE_OID, uid.as_bytes()).into_bytes();
    f64::from(u16::from_be_bytes([bytes[0], bytes[1]])) / f64::from(u16::MAX)
}
