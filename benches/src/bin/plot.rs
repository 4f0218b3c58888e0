//! Draws the plots of a record folder, writes its README.md, and puts both into docs/performance.md.
//!
//! ```text
//! cargo run --release -p riskgate-benches --bin plot [-- FOLDER]
//! ```
//!
//! Without a folder it takes the last one of `benches/record/` by name, so the newest. docs/performance.md is only touched
//! by a folder in there: what stands between its two `record` comments is replaced.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use riskgate_benches::record::Record;
use riskgate_benches::{plots, tables};

/// In the order in which they are shown.
const PARTS: [&str; 5] = ["engine", "wasm", "envoy", "hotload", "build"];

const BEGIN: &str = "<!-- record: begin -->\n";
const END: &str = "<!-- record: end -->\n";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = root.join("record");
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => newest(&kept)?,
    };
    let records = read(&folder)?;
    remove_plots(&folder)?;
    for record in &records {
        for plot in plots::plots(record) {
            plot.draw(&folder)?;
        }
    }
    let name = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let readme = format!("# {name}\n\n{}", tables::document(&records, "", "##"));
    write(&folder.join("README.md"), &readme)?;
    if folder.parent() == Some(&kept) {
        let links = format!("../benches/record/{name}/");
        let section = tables::document(&records, &links, "##");
        replace_section(&root.join("../docs/performance.md"), &section)?;
    }
    println!("{}", folder.display());
    Ok(())
}

fn newest(kept: &Path) -> Result<PathBuf> {
    let folders = std::fs::read_dir(kept).with_context(|| kept.display().to_string())?;
    let folders = folders.collect::<Result<Vec<_>, _>>()?;
    let last = folders
        .into_iter()
        .map(|each| each.path())
        .filter(|each| each.is_dir())
        .max();
    last.with_context(|| {
        format!(
            "{} is empty; run `cargo xtask bench engine`",
            kept.display()
        )
    })
}

fn read(folder: &Path) -> Result<Vec<Record>> {
    let files = PARTS.iter().map(|part| folder.join(format!("{part}.json")));
    let records = files
        .filter(|file| file.exists())
        .map(|file| Record::read(&file))
        .collect::<Result<Vec<Record>>>()?;
    ensure!(
        !records.is_empty(),
        "{} has no record; give a folder with {}.json",
        folder.display(),
        PARTS.join(".json, ")
    );
    Ok(records)
}

/// Those of figures that are no longer recorded would stay.
fn remove_plots(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "svg") {
            std::fs::remove_file(&file).with_context(|| file.display().to_string())?;
        }
    }
    Ok(())
}

fn replace_section(file: &Path, section: &str) -> Result<()> {
    let place = || file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(place)?;
    let (before, rest) = text
        .split_once(BEGIN)
        .with_context(|| format!("{} has no line {BEGIN:?}", file.display()))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("{} has no line {END:?}", file.display()))?;
    write(file, &format!("{before}{BEGIN}\n{section}{END}{after}"))
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| file.display().to_string())
}
