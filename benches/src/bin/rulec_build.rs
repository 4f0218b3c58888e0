//! What `rulec build` costs: wall time, processor time and peak memory of a child that compiles a generated folder.
//!
//! ```text
//! cargo build --release -p riskgate-compiler --bin rulec
//! RISKGATE_RULEC=target/release/rulec cargo run --release -p riskgate-benches --bin rulec_build
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use riskgate_benches::child::{self, Cost};
use riskgate_benches::measure::quantile;
use riskgate_benches::record::{Measurement, Record, Run};
use riskgate_benches::workloads::{self, Suite};

/// Groups whose build is measured, and from which size on.
const GROUPS: [(&str, usize); 5] = [
    ("selective", 10_000),
    ("unselective", 10_000),
    ("strings list", 1_000_000),
    ("approximate list", 1_000_000),
    ("networks list", 1_000_000),
];

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
    let rulec = std::env::var_os("RISKGATE_RULEC")
        .map(PathBuf::from)
        .context("RISKGATE_RULEC is not set: run `cargo xtask bench build`, or name a rulec that was built with --release")?;
    let run = Run::from_env();
    let mut record = Record::begin("build", run)?;
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("signer.pem");
    child::run(
        &rulec,
        &["keygen".as_ref(), "--out".as_ref(), key.as_os_str()],
    )?;
    let largest = if run.is_quick() { 10_000 } else { usize::MAX };
    for planned in workloads::plan(largest) {
        if is_measured(planned.group, planned.size) {
            let place = folder
                .path()
                .join(format!("{}-{}", planned.group, planned.size));
            suite(
                &planned.make(),
                planned.size,
                &rulec,
                &key,
                &place,
                &mut record,
            )?;
        }
    }
    record.note("Values are medians of the runs, spreads their minimum and maximum. Peak memory is the resident high-water mark of rulec.");
    println!("{}", record.write()?.display());
    Ok(())
}

fn is_measured(group: &str, size: usize) -> bool {
    GROUPS
        .iter()
        .any(|(each, from)| *each == group && size >= *from)
}

fn suite(
    suite: &Suite,
    size: usize,
    rulec: &Path,
    key: &Path,
    place: &Path,
    record: &mut Record,
) -> Result<()> {
    write(suite, place)?;
    let bundle = place.with_extension("bundle");
    let arguments = [
        "build".as_ref(),
        place.as_os_str(),
        "--revision=1".as_ref(),
        "--issued-at=1795000000".as_ref(),
        "--key".as_ref(),
        key.as_os_str(),
        "--output".as_ref(),
        bundle.as_os_str(),
    ];
    child::run(rulec, &arguments)?;
    let bytes = std::fs::read(&bundle)?;
    let ruleset = riskgate_benches::load_bundle(&bytes)?;
    for stream in &suite.streams {
        record.answers_checked += workloads::check(&ruleset, stream)?;
    }
    let times = if record.run.is_quick() { 1 } else { 5 };
    let costs = (0..times)
        .map(|_| child::run(rulec, &arguments))
        .collect::<Result<Vec<Cost>>>()?;
    ensure!(
        std::fs::read(&bundle)? == bytes,
        "the same folder was built into other bytes"
    );
    add(record, suite.group, size, &costs, bytes.len());
    std::fs::remove_dir_all(place)?;
    Ok(())
}

fn write(suite: &Suite, place: &Path) -> Result<()> {
    for (name, text) in &suite.files {
        let file = place.join(name);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn add(record: &mut Record, group: &str, size: usize, costs: &[Cost], bundle_len: usize) {
    let mut figure = |metric: &str, unit: &str, values: Vec<f64>| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        record.add(Measurement {
            group: "rulec build".to_owned(),
            metric: metric.to_owned(),
            unit: unit.to_owned(),
            series: group.to_owned(),
            rules: size as u64,
            value: quantile(&values, 0.5),
            low: values.first().copied(),
            high: values.last().copied(),
            samples: values.len() as u64,
        });
    };
    let of = |field: fn(&Cost) -> f64| costs.iter().map(field).collect::<Vec<f64>>();
    figure("time", "s", of(|cost| cost.wall_s));
    figure("processor time", "s", of(|cost| cost.cpu_s));
    figure("peak memory", "MiB", of(|cost| cost.peak_kib / 1024.0));
    figure("bundle", "KiB", vec![bundle_len as f64 / 1024.0]);
}
