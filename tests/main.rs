//! The promises that euicc-operator makes, one file each.
