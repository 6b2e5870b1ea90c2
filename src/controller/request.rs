//! From the resource to ThingSpace's request (contract 3.2: what to send where sources disagree).

use crate::{
    api::{self, DeviceResult, DeviceStatus, EuiccActivation, EuiccActivationSpec},
    thingspace::wire,
};

/// The request to activate the devices that have no result yet.
pub fn activate(object: &EuiccActivation) -> wire::ActivateRequest {
    let spec = &object.spec;
    wire::ActivateRequest {
        devices: pending(object),
        account_name: spec.account_name.clone(),
        smsr_oid: spec.smsr_oid.clone(),
        carrier_name: spec.carrier_name.clone(),
        service_plan: spec.service_plan.clone(),
        mdn_zip_code: spec.mdn_zip_code.clone(),
        carrier_ip_pool_name: spec.carrier_ip_pool_name.clone().filter(|pool| !pool.is_empty()),
        primary_place_of_use: spec.primary_place_of_use.as_ref().map(place_of_use),
    }
}

/// The request to deactivate the lines that are still active.
pub fn deactivate(object: &EuiccActivation) -> wire::DeactivateRequest {
    let EuiccActivationSpec { account_name, carrier_name, deactivation, .. } = &object.spec;
    wire::DeactivateRequest {
        devices: pending(object),
        account_name: account_name.clone(),
        reason_code: "FF".into(),
        etf_waiver: deactivation.as_ref().is_some_and(|d| d.etf_waiver),
        carrier_name: carrier_name.clone(),
    }
}

fn pending(object: &EuiccActivation) -> Vec<wire::Device> {
    let devices = object.status.iter().flat_map(|s| &s.devices);
    devices.filter(|d| d.result == DeviceResult::Pending).map(|d| wire::Device { device_ids: ids(d) }).collect()
}

/// All identifiers of a device, on the wire.
pub fn ids(device: &DeviceStatus) -> Vec<wire::DeviceId> {
    device.device_ids.iter().map(|i| wire::DeviceId { kind: i.kind.as_str().into(), id: i.id.clone() }).collect()
}

fn place_of_use(place: &api::PlaceOfUse) -> wire::PlaceOfUse {
    let (name, address) = (&place.customer_name, &place.address);
    wire::PlaceOfUse {
        customer_name: wire::CustomerName {
            title: name.title.clone(),
            first_name: name.first_name.clone(),
            middle_name: name.middle_name.clone(),
            last_name: name.last_name.clone(),
            suffix: name.suffix.clone(),
        },
        address: wire::Address {
            address_line1: address.address_line1.clone(),
            address_line2: address.address_line2.clone(),
            city: address.city.clone(),
            state: format!("{:?}", address.state),
            zip: address.zip.clone(),
            zip4: address.zip4.clone(),
            country: match address.country {
                api::Country::Us => "US".into(),
                api::Country::Usa => "USA".into(),
            },
        },
    }
}
