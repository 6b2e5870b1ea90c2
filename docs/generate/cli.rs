//! docs/cli.md: every command with its flags, from clap's own knowledge of them.

use clap::{Arg, Command, CommandFactory};
use euicc_operator::cli::Cli;

/// The page.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Command line\n\nWritten by `make generate` from the flags in `src/`. Each flag of a process has an environment \
         variable; the flag has precedence.\n",
    );
    for command in Cli::command().get_subcommands().filter(|command| command.get_name() != "help") {
        page.push_str(&section(command));
    }
    page
}

fn section(command: &Command) -> String {
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    let operands: String = command.get_positionals().map(|arg| format!(" {}...", name(arg))).collect();
    let args: Vec<&Arg> = command.get_arguments().filter(|arg| arg.get_id() != "help").collect();
    let envs = args.iter().any(|arg| arg.get_env().is_some());
    let (head, line) = if envs { (" environment variable |", "---|") } else { ("", "") };
    let mut out = format!("\n## euicc-operator {}{operands}\n\n{}\n", command.get_name(), sentence(&about));
    out.push_str(&format!("\n| flag |{head} default | what it does |\n|---|{line}---|---|\n"));
    for arg in args {
        let env = arg.get_env().map(|env| format!("`{}`", env.to_string_lossy())).unwrap_or_default();
        let env = if envs { format!(" {env} |") } else { String::new() };
        let default = arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy()));
        let default = default.collect::<Vec<_>>().join(", ");
        out.push_str(&format!("| `{}` |{env} {default} | {} |\n", name(arg), help(arg)));
    }
    out
}

fn name(arg: &Arg) -> String {
    let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
    match arg.get_long() {
        // Clap makes a value's name of the flag's, which says nothing.
        Some(long) if !arg.get_action().takes_values() || value == long.replace('-', "_").to_uppercase() => {
            format!("--{long}")
        }
        Some(long) => format!("--{long} {value}"),
        None => value,
    }
}

fn help(arg: &Arg) -> String {
    let text = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut out = sentence(&text.replace('\n', " "));
    let values = if arg.get_action().takes_values() { arg.get_possible_values() } else { Vec::new() };
    for (value, what) in values.iter().filter_map(|value| Some((value, value.get_help()?.to_string()))) {
        out.push_str(&format!("<br>`{}`: {}", value.get_name(), sentence(&what)));
    }
    out.replace('|', "\\|")
}

/// Clap takes the full stop of a doc comment away.
fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}
