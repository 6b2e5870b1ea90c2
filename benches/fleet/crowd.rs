//! Many activations at once: created, and brought by hand to where a measurement begins.

use std::ops::Range;

use euicc_operator::{
    activation::{Event, Outcome, Policy, Profile, Report, Subject, Verdict, advance},
    api::{ActivationStatus, DeviceId, EuiccActivation, IdKind},
};
use futures::{StreamExt, stream};
use jiff::{Timestamp, ToSpan};
use kube::{ResourceExt, api::PostParams};

use crate::{
    stage::connection,
    support::{Namespace, fixtures},
};

/// Requests of ours at the same time.
const AT_ONCE: usize = 48;

/// What an activation is to be when a measurement begins.
#[derive(Clone, Copy, PartialEq)]
pub enum Stand {
    /// As its user has created it.
    New,
    /// Sent, and waiting for its result.
    Accepted,
    /// Active.
    Done,
}

/// Creates activations of one device each, in turn for each of `lanes` connections.
pub async fn create(namespace: &Namespace, numbers: Range<usize>, lanes: usize, stand: Stand) -> Vec<EuiccActivation> {
    let api = namespace.activations();
    stream::iter(numbers)
        .map(|n| {
            let api = api.clone();
            async move {
                let mut object = fixtures::activation(&format!("unit-{n:06}"), 1);
                (object.spec.connection_ref.name, object.spec.account_name) = connection(n % lanes);
                let mut object = api.create(&PostParams::default(), &object).await.expect("created");
                let [_, accepted, done] = life(&object);
                object.status = match stand {
                    Stand::New => return object,
                    Stand::Accepted => Some(accepted),
                    Stand::Done => Some(done),
                };
                api.replace_status(&object.name_any(), &PostParams::default(), &object).await.expect("written")
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// The three statuses of an undisturbed activation: claimed, accepted, active. It began a minute ago.
pub fn life(object: &EuiccActivation) -> [ActivationStatus; 3] {
    let operation_id = uuid::Uuid::new_v4().to_string();
    let request_id = uuid::Uuid::new_v4().to_string();
    let policy = Policy::default();
    let began = Timestamp::now() - 1.minute();
    let next =
        |status: &ActivationStatus, event: Event| advance(Subject::from(object), status, &event, began, &policy).status;
    let generation = object.metadata.generation.expect("a generation");
    let claim = Event::Claim { operation_id: operation_id.clone(), generation };
    let claimed = next(&object.status.clone().unwrap_or_default(), claim);
    let outcome = Outcome::Accepted { request_id: request_id.clone() };
    let accepted = next(&claimed, Event::Sent { operation_id, outcome });
    let done = next(&accepted, Event::Callback(Box::new(report(object, Some(request_id)))));
    [claimed, accepted, done]
}

/// ThingSpace's report that the first device is active, as the simulator words it.
fn report(object: &EuiccActivation, request_id: Option<String>) -> Report {
    let text = |text: &str| Some(text.to_owned());
    Report {
        request_id,
        device_ids: with_minted(object),
        verdict: Verdict::Success,
        verdict_of_deactivation: Verdict::Failure { code: "Failed".into(), text: "the line is active".into() },
        profile: Profile {
            state: text("Active"),
            profile_status: text("ENABLE"),
            euicc_status: text("EXECUTED_SUCCESS"),
            euicc_status_code: text("1.2.365"),
            euicc_status_desc: text("EUICC device profile has been updated"),
            address_status: text("EXECUTED_SUCCESS"),
            address_status_code: text("1"),
            address_status_desc: text("SUCCESS: Address has been updated"),
            carrier_name: text("Verizon Wireless"),
            profile_role: text("LEAD"),
        },
    }
}

/// The identifiers of the first device, with an ICCID and a phone number that follow from its IMEI.
pub fn with_minted(object: &EuiccActivation) -> Vec<DeviceId> {
    let mut ids = object.spec.devices[0].device_ids.clone();
    let imei = ids.iter().find(|i| i.kind == IdKind::Imei).expect("an imei").id.clone();
    ids.push(DeviceId { kind: IdKind::Iccid, id: format!("89148{imei}") });
    ids.push(DeviceId { kind: IdKind::Mdn, id: imei[5..].to_owned() });
    ids
}
