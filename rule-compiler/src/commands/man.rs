//! `rulec man`: manual pages, one for `rulec` and one for each of its commands.

use std::fs;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::args::{Args, ManArgs};
use crate::failure::Failure;
use crate::output::tell;
use crate::replace::replace;

pub(crate) fn run(args: &ManArgs) -> Result<(), Failure> {
    let folder = &args.out;
    fs::create_dir_all(folder).map_err(|error| {
        Failure::unable(format!(
            "cannot make the folder {}: {error}",
            folder.display()
        ))
    })?;
    let pages = pages();
    for page in &pages {
        let name = page.get_display_name().unwrap_or_else(|| page.get_name());
        let path = folder.join(format!("{name}.1"));
        let mut text = Vec::new();
        Man::new(page.clone())
            .render(&mut text)
            .map_err(Failure::unable)?;
        replace(&path, &text)?;
    }
    tell(&format!(
        "{} manual pages written to {}\n",
        pages.len(),
        folder.display()
    ));
    Ok(())
}

/// The command itself and each of its commands under its whole name.
fn pages() -> Vec<Command> {
    let mut rulec = Args::command().disable_help_subcommand(true);
    rulec.build();
    let commands: Vec<Command> = rulec.get_subcommands().cloned().collect();
    std::iter::once(rulec).chain(commands).collect()
}
