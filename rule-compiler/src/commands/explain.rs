//! `rulec explain`: why a request gets its verdict, or what a diagnostic means and what to do about it.

mod verdict;

use std::path::Path;

use riskgate_compiler::diagnostic::Code;

use crate::args::ExplainArgs;
use crate::failure::Failure;
use crate::output::{flush, print_line};

pub(crate) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    match (args.subject.as_deref(), &args.request) {
        (None, _) => print(&list()),
        (Some(subject), Some(request)) => print(&verdict::text(subject.as_ref(), request, args)?),
        (Some(subject), None) => print(&page(subject)?),
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
    let code: Code = subject.to_ascii_uppercase().parse().map_err(|unknown| {
        match Path::new(subject).exists() {
            true => Failure::unable(format!(
                "`{subject}` is no code; add `--request FILE` to explain a verdict of it"
            )),
            false => Failure::unable(format!("`{subject}`: {unknown}")),
        }
    })?;
    Ok(format!(
        "# {code}: {} ({})\n\n{}",
        code.name(),
        code.severity().name(),
        code.page()
    ))
}
