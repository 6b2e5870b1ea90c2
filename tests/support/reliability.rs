//! What a family of trials has tried, for people: `make test` shows it at its end.

use std::path::Path;

/// Notes one line for a family, in `target/reliability/`.
pub fn reliability(family: &str, figures: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("reliability");
    std::fs::create_dir_all(&folder).unwrap();
    let line = format!("{family}: {figures}\n");
    print!("{line}");
    std::fs::write(folder.join(format!("{}.txt", family.replace(' ', "-"))), line).unwrap();
}
