//! What the schema cannot say about a spec: check digits, and fields that are optional but wise to set. Never in the way.

use super::{DeviceId, EuiccActivationSpec, IdKind};

/// Something that is probably a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Where, as the API server writes paths.
    pub field: String,
    /// What, in one sentence.
    pub sentence: String,
}

/// What is probably a mistake.
pub fn advice(spec: &EuiccActivationSpec) -> Vec<Advice> {
    let mut out = Vec::new();
    for (d, device) in spec.devices.iter().enumerate() {
        for (i, id) in device.device_ids.iter().enumerate() {
            let field = format!("spec.devices[{d}].deviceIds[{i}].id");
            out.extend(check_digit(id).map(|sentence| Advice { field, sentence }));
        }
    }
    for (field, missing) in [("servicePlan", spec.service_plan.is_none()), ("mdnZipCode", spec.mdn_zip_code.is_none())]
    {
        if missing {
            let sentence = format!("spec.{field} is not set: most accounts need it to activate a line.");
            out.push(Advice { field: format!("spec.{field}"), sentence });
        }
    }
    out
}

/// Contract 10. ThingSpace may or may not check these digits, and some of Verizon's own samples fail.
fn check_digit(id: &DeviceId) -> Option<String> {
    let (holds, rule) = match id.kind {
        IdKind::Eid => (mod_97(&id.id) == 1, "the whole number modulo 97 is not 1"),
        IdKind::Imei => (id.id.len() != 15 || luhn(&id.id), "its last digit is not the Luhn check digit"),
        IdKind::Iccid => (luhn(&id.id), "its last digit is not the Luhn check digit"),
        IdKind::Mdn => (true, ""),
    };
    (!holds).then(|| format!("{} {} is probably mistyped: {rule}.", id.kind.as_str(), id.id))
}

fn digits(text: &str) -> impl DoubleEndedIterator<Item = u32> {
    text.chars().filter_map(|c| c.to_digit(10))
}

fn mod_97(text: &str) -> u32 {
    digits(text).fold(0, |rest, digit| (rest * 10 + digit) % 97)
}

fn luhn(text: &str) -> bool {
    let doubled = |(i, d): (usize, u32)| if i % 2 == 1 { d * 2 / 10 + d * 2 % 10 } else { d };
    digits(text).rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_vectors_have_right_check_digits() {
        assert_eq!(mod_97("89034011560010000000000000000121"), 1);
        assert_eq!(mod_97("89044011112233441122334411223321"), 1);
        assert!(luhn("490154203237518"));
        assert!(luhn("89141390780800784259") && luhn("99948000004347398194"));
    }

    #[test]
    fn one_wrong_digit_is_noticed() {
        assert_ne!(mod_97("89034011560010000000000000000122"), 1);
        assert!(!luhn("490154203237519"));
    }
}
