//! The resources as a user meets them: discoverable, explained, and at a glance.

use std::process::Command;

use crate::support::{Namespace, fixtures, repository};

#[test]
fn the_crds_in_the_repository_are_those_that_the_operator_prints() {
    let printed = Command::new(env!("CARGO_BIN_EXE_euicc-operator")).arg("crds").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let checked_in: String = ["euiccactivations", "thingspaceconnections"]
        .map(|kind| std::fs::read_to_string(repository(&format!("crds/{kind}.yaml"))).unwrap())
        .concat();
    assert!(printed == checked_in, "crds/ is out of date: run `make generate`");
}

#[tokio::test]
async fn a_fresh_activation_is_not_taken_for_one_that_the_operator_has_seen() {
    let namespace = Namespace::new("crds").await;
    namespace.apply(&fixtures::yaml(&fixtures::activation("fresh", 1))).await;
    let status = namespace.activation("fresh").await.status.unwrap();
    assert_eq!(status.observed_generation, Some(-1));
}
