//! `rulec explain`: what a diagnostic means and what to do about it.

use riskgate_compiler::diagnostic::Code;

use crate::args::ExplainArgs;
use crate::failure::Failure;
use crate::output::{flush, print_line};

pub(crate) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    match args.subject.as_deref() {
        None => print(&list()),
        Some(subject) => print(&page(subject)?),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    print_line(&mut out, text.trim_end())?;
    flush(&mut out)
}

fn list() -> String {
    let line = |code: &Code| format!("{code}  {:7}  {}\n", code.severity().name(), code.summary());
    Code::ALL.iter().map(line).collect()
}

fn page(subject: &str) -> Result<String, Failure> {
    let code: Code = subject
        .to_ascii_uppercase()
        .parse()
        .map_err(|unknown| Failure::unable(format!("`{subject}`: {unknown}")))?;
    Ok(format!(
        "# {code}: {} ({})\n\n{}",
        code.name(),
        code.severity().name(),
        code.page()
    ))
}
