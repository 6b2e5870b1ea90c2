//! Writes docs/reference.md and docs/cli.md (`make generate`).

mod api;
mod cli;

fn main() -> anyhow::Result<()> {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    std::fs::write(docs.join("reference.md"), api::markdown()?)?;
    std::fs::write(docs.join("cli.md"), cli::markdown())?;
    Ok(())
}
