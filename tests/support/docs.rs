//! The documents of this repository, as far as they can be wrong.

use super::repository;

/// A document.
pub struct Document {
    /// Its path in the repository.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// README.md, `docs/` and the READMEs beside tests and charts.
pub fn all() -> Vec<Document> {
    let mut paths = vec!["README.md".to_owned(), "tests/controlplane/README.md".to_owned()];
    for entry in std::fs::read_dir(repository("docs")).unwrap() {
        paths.push(format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    }
    paths.extend(["charts/euicc-operator", "charts/euicc-operator-crds"].map(|chart| format!("{chart}/README.md")));
    paths.retain(|path| path.ends_with(".md") && repository(path).exists());
    paths.sort();
    paths.into_iter().map(|path| Document { text: std::fs::read_to_string(repository(&path)).unwrap(), path }).collect()
}

/// The code block below `<!-- run: NAME -->`, with which a test takes a document at its word.
pub fn block(path: &str, name: &str) -> String {
    let text = std::fs::read_to_string(repository(path)).unwrap();
    let mark = format!("<!-- run: {name} -->\n```sh\n");
    let (_, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("{path} has no block {name}"));
    rest.split_once("```").unwrap().0.to_owned()
}

impl Document {
    /// Its code blocks in that language.
    pub fn blocks(&self, language: &str) -> Vec<&str> {
        let begin = format!("```{language}\n");
        self.text.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
    }

    /// Its text without the code blocks.
    pub fn prose(&self) -> String {
        self.text.split("```").step_by(2).collect()
    }

    /// Its command lines of that program, continued lines joined.
    pub fn commands(&self, program: &str) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        let lines = joined.lines().map(str::trim);
        lines.filter(|line| line.starts_with(&format!("{program} "))).map(str::to_owned).collect()
    }

    /// Its commands of that program that stand within a sentence.
    pub fn inline_commands(&self, program: &str) -> Vec<String> {
        let spans = self.text.split('`').skip(1).step_by(2);
        spans.filter(|span| span.starts_with(&format!("{program} "))).map(|span| span.replace('\n', " ")).collect()
    }

    /// What its links lead to, without those to other sites.
    pub fn links(&self) -> Vec<&str> {
        let targets = self.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.filter(|target| !target.contains("://")).collect()
    }

    /// The anchors of its headings, as GitHub makes them.
    pub fn anchors(&self) -> Vec<String> {
        let headings = self.text.lines().filter(|line| line.starts_with('#'));
        let anchor = |heading: &str| -> String {
            let text = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        headings.map(anchor).collect()
    }

    /// What stands in back-quotes in the first column of its tables.
    pub fn table_keys(&self) -> Vec<&str> {
        let rows = self.text.lines().filter_map(|line| line.strip_prefix("| `"));
        let cells = rows.filter_map(|row| row.split(" |").next());
        cells.flat_map(|cell| cell.split('`').step_by(2)).collect()
    }
}
