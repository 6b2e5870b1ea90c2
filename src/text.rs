//! Foreign text on its way to people: into messages, events, logs and status.

/// The most characters that are kept of a foreign text.
pub(crate) const LIMIT: usize = 300;

/// `foreign` on one line, without control characters, cut at [`LIMIT`].
pub(crate) fn clean(foreign: &str) -> String {
    let printable = |c: char| {
        if c.is_control() || is_format(c) { ' ' } else { c }
    };
    let spaced: String = foreign.chars().map(printable).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Invisible characters that reorder or hide text on a terminal.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_becomes_one_bounded_line() {
        assert_eq!(clean(" a\r\n\tb\u{1b}[31m \u{202e}c "), "a b [31m c");
        assert_eq!(clean(&"é".repeat(1000)).chars().count(), LIMIT + 1);
        assert_eq!(clean(""), "");
    }
}
