//! CEL rules that several fields share. Each message names the rule; the API server adds the field's path.

use kube::core::{Message, Rule};

/// What ThingSpace refuses in any text (contract 3.1, "Illegal characters"; 12 #17 for what is not ASCII).
pub fn text() -> Rule {
    Rule::new(r"self.matches('^[ -&(-;=-\\[\\]-~]*$')").message(
        "may hold printable ASCII only, and no apostrophe ('), no less-than sign (<) and no backslash (\\): \
         ThingSpace refuses them",
    )
}

/// A first or last name (contract 3.1).
pub fn name() -> Rule {
    Rule::new(r"self.matches('^[A-Za-z0-9 \\-!#]+$')")
        .message("may hold letters, digits, spaces, dashes (-), exclamation marks (!) and pound signs (#) only")
}

/// A street address is where someone is, not where their mail goes (contract 3.1, 12 #15).
pub fn street() -> Rule {
    Rule::new(r"!self.matches('(?i)\\bp\\.?\\s*o\\.?\\s*box\\b')")
        .message("must be a physical street address: ThingSpace refuses a P.O. box")
}

/// `digits(field value)`: exactly as many digits as `shape`, a regular expression's quantifier, says.
pub fn id_shape(kind: &str, shape: &str, words: &str) -> Rule {
    Rule::new(format!("self.kind != '{kind}' || self.id.matches('^[0-9]{{{shape}}}$')"))
        .message(Message::Message(format!("id of kind {kind} must be {words}")))
        .field_path(".id")
}

/// The shape of a billing account's name, leading zeros kept (contract 3.1).
pub const ACCOUNT_NAME: &str = "^[0-9]{10}-[0-9]{5}$";
