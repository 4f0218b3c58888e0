//! Records as Markdown.

use std::fmt::Write as _;

use crate::plots;
use crate::record::{Measurement, Record, figure};

/// Machine, versions, plots and tables of every part. Plots are linked below `folder`, as seen from the document, `""` or with
/// a slash at its end. Writing to a string does not fail, so results of writes are dropped.
#[must_use]
pub fn document(records: &[Record], folder: &str, heading: &str) -> String {
    let mut text = String::new();
    for record in records {
        let _ = write!(text, "{heading} {}\n\n{}\n", record.part, preamble(record));
        for group in unique(record.measurements.iter().map(|each| each.group.as_str())) {
            let _ = write!(text, "{heading}# {}: {group}\n\n", record.part);
            for plot in plots::plots(record) {
                if plot.title.starts_with(&format!("{group}: ")) {
                    let _ = write!(text, "![{}]({folder}{})\n\n", plot.title, plot.file);
                }
            }
            text.push_str(&table(record, group));
            text.push('\n');
        }
    }
    text
}

fn preamble(record: &Record) -> String {
    let machine = &record.machine;
    let versions: Vec<String> = record
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let mut text = format!(
        "{}, {} cores, {} MiB, Linux {}; {}; {}. {} answers checked before the timing.\n",
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        versions.join(", "),
        record.began,
        record.answers_checked,
    );
    if record.run.is_quick() {
        text.push_str("\n**A smoke run: the figures mean nothing.**\n");
    }
    for note in &record.notes {
        let _ = write!(text, "\n{note}\n");
    }
    text
}

/// A row for each series and number of rules, a column for each metric.
fn table(record: &Record, group: &str) -> String {
    let of_group: Vec<&Measurement> = record
        .measurements
        .iter()
        .filter(|each| each.group == group)
        .collect();
    let metrics = unique(of_group.iter().map(|each| column(each)));
    let rows = unique(
        of_group
            .iter()
            .map(|each| (each.series.clone(), each.rules)),
    );
    let mut text = "| | rules |".to_owned();
    for metric in &metrics {
        let _ = write!(text, " {metric} |");
    }
    let _ = writeln!(text, "\n| --- | ---: |{}", " ---: |".repeat(metrics.len()));
    for (series, rules) in rows {
        let count = if rules == 0 {
            String::new()
        } else {
            rules.to_string()
        };
        let _ = write!(text, "| {series} | {count} |");
        for metric in &metrics {
            let cell = of_group.iter().find(|each| {
                each.series == series && each.rules == rules && column(each) == *metric
            });
            let _ = write!(
                text,
                " {} |",
                cell.map(|each| cell_text(each)).unwrap_or_default()
            );
        }
        text.push('\n');
    }
    text
}

fn column(measurement: &Measurement) -> String {
    format!("{}, {}", measurement.metric, measurement.unit)
}

fn cell_text(measurement: &Measurement) -> String {
    let value = figure(measurement.value);
    match (measurement.low, measurement.high) {
        (Some(low), Some(high)) => format!("{value} ({}–{})", figure(low), figure(high)),
        _ => value,
    }
}

/// In order of first appearance.
fn unique<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.fold(Vec::new(), |mut known, item| {
        if !known.contains(&item) {
            known.push(item);
        }
        known
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Run;

    #[test]
    fn a_table_has_a_row_for_each_series_and_number_of_rules() {
        let mut record = Record::begin("engine", Run::Full).unwrap();
        for (series, rules, value) in [("hit", 10, 1.0), ("hit", 1000, 2.0), ("miss", 10, 0.5)] {
            record.measurements.push(Measurement {
                group: "selective".to_owned(),
                metric: "median".to_owned(),
                unit: "µs".to_owned(),
                series: series.to_owned(),
                rules,
                value,
                low: Some(0.25),
                high: Some(3.0),
                samples: 1,
            });
        }
        let want = "\
| | rules | median, µs |
| --- | ---: | ---: |
| hit | 10 | 1.00 (0.250–3.00) |
| hit | 1000 | 2.00 (0.250–3.00) |
| miss | 10 | 0.500 (0.250–3.00) |
";
        assert_eq!(table(&record, "selective"), want);
    }
}
