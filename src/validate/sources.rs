//! Which texts to check.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::Context;

/// A text and its name.
pub struct Source {
    /// As the user wrote it, or below a folder that they wrote.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// What the arguments name: files, folders with all that is below them, and `-` for standard input.
///
/// # Errors
/// When one of them cannot be read.
pub fn read(arguments: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for argument in arguments {
        if argument.as_os_str() == "-" {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            sources.push(Source { name: "-".into(), text });
        } else if argument.is_dir() {
            let files = below(argument)?;
            anyhow::ensure!(
                !files.is_empty(),
                "{} holds no *.yaml, *.yml or *.json: is it the right folder?",
                argument.display()
            );
            for file in files {
                sources.push(open(&file)?);
            }
        } else {
            sources.push(open(argument)?);
        }
    }
    Ok(sources)
}

fn open(file: &Path) -> anyhow::Result<Source> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Source { name: file.display().to_string(), text })
}

/// The manifests of a folder, by name. Hidden folders, such as .git, are left out.
fn below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot_read = || format!("cannot read {}", folder.display());
    let mut entries =
        fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).with_context(cannot_read)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.path();
        let is_link = entry.file_type().with_context(cannot_read)?.is_symlink();
        if path.is_dir() {
            // A link may lead back up.
            if !is_link && !entry.file_name().to_string_lossy().starts_with('.') {
                files.extend(below(&path)?);
            }
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            files.push(path);
        }
    }
    Ok(files)
}
