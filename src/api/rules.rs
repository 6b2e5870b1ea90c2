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
    Rule::new(r"self.matches('^[A-Za-z0-9 \\-!#]*$')")
        .message("may hold letters, digits, spaces, dashes (-), exclamation marks (!) and pound signs (#) only")
}

/// A street address is where someone is, not where their mail goes (contract 3.1, 12 #15).
pub fn street() -> Rule {
    Rule::new(r"!self.matches('(?i)\\b(p[. -]*o[. -]*|post +office +)box([^a-z]|$)')")
        .message("must be a physical street address: ThingSpace refuses a P.O. box")
}

/// An id of that kind has exactly as many digits as `shape`, a regular expression's quantifier, says.
pub fn id_shape(kind: &str, shape: &str, words: &str) -> Rule {
    Rule::new(format!("self.kind != '{kind}' || self.id.matches('^[0-9]{{{shape}}}$')"))
        .message(Message::Message(format!("id of kind {kind} must be {words}")))
        .field_path(".id")
}

/// A billing account's name, leading zeros kept (contract 3.1).
pub fn account_name() -> Rule {
    Rule::new(format!("self.matches('{ACCOUNT_NAME}')")).message(ACCOUNT_NAME_WORDS)
}

/// As [`account_name`], for each one of a list.
pub fn account_names() -> Rule {
    Rule::new(format!("self.all(name, name.matches('{ACCOUNT_NAME}'))")).message(ACCOUNT_NAME_WORDS)
}

const ACCOUNT_NAME: &str = "^[0-9]{10}-[0-9]{5}$";
const ACCOUNT_NAME_WORDS: &str =
    "must be an account name: ten digits, a hyphen and five digits, leading zeros kept, for example 0000123456-00001";

/// The code of a service plan (contract 3.1).
pub fn plan_code() -> Rule {
    Rule::new("self.matches('^[A-Za-z0-9 ]{3,32}$')")
        .message("must be the code of a plan, not its display name: 3 to 32 letters, digits and spaces")
}

/// The OID of an SM-SR (contract 3.1).
pub fn smsr_oid() -> Rule {
    Rule::new("self.matches('^[0-9.]{3,46}$')").message("must be 3 to 46 digits and dots")
}

/// A ZIP code.
pub fn zip() -> Rule {
    Rule::new("self.matches('^[0-9]{5}$')").message("must be a ZIP code: five digits")
}

/// What follows a ZIP code's hyphen.
pub fn zip4() -> Rule {
    Rule::new("self.matches('^[0-9]{4}$')").message("must be the ZIP+4 extension alone: four digits")
}

/// The name of another object, which cannot exist otherwise.
pub fn object_name() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')")
        .message("must be the name of an object: lower-case letters, digits, hyphens and dots")
}

/// Names of namespaces.
pub fn namespace_names() -> Rule {
    Rule::new(format!("self.all(name, name.matches('{NAMESPACE}'))")).message(NAMESPACE_WORDS)
}

/// The name of a namespace.
pub fn namespace_name() -> Rule {
    Rule::new(format!("self.matches('{NAMESPACE}')")).message(NAMESPACE_WORDS)
}

const NAMESPACE: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const NAMESPACE_WORDS: &str = "must be the name of a namespace: lower-case letters, digits and hyphens";

/// A text that ThingSpace needs.
pub fn filled() -> Rule {
    Rule::new("self.trim() != ''").message("must not be blank")
}
