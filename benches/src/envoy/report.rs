//! From bursts to figures: what each filter adds to the same Envoy without one, and how that compares.

use riskgate_e2e::Memory;

use super::contender::Contender;
use super::spread::Spread;
use crate::record::{Measurement, Record, figure};

/// An Envoy's measurements.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// How many rules.
    pub(super) rules: usize,
    /// The filter before the route.
    pub(super) contender: Contender,
    /// Whether it wrote an access log with what the filter decided.
    pub(super) access_log: bool,
    /// Requests of a burst.
    pub(super) requests_a_burst: usize,
    /// Processor time a request, nanoseconds, by round.
    pub(super) cpu_ns: Vec<u64>,
    /// Memory of the process at the end.
    pub(super) memory: Memory,
}

/// The measurements of a run, beside each other.
pub(super) struct Report<'c> {
    cells: &'c [Cell],
    shape: &'c str,
}

impl<'c> Report<'c> {
    /// Of rules of a shape.
    pub(super) fn new(cells: &'c [Cell], shape: &'c str) -> Report<'c> {
        Report { cells, shape }
    }

    /// Adds every figure to a record.
    pub(super) fn add_to(&self, record: &mut Record) {
        for cell in self.cells {
            for (metric, unit, spread) in self.figures(cell) {
                record.add(Measurement {
                    group: self.group(cell),
                    metric: metric.to_owned(),
                    unit: unit.to_owned(),
                    series: cell.contender.title().to_owned(),
                    rules: cell.rules as u64,
                    value: spread.median,
                    low: Some(spread.lower_quartile),
                    high: Some(spread.upper_quartile),
                    samples: cell.cpu_ns.len() as u64,
                });
            }
        }
    }

    /// A line for each Envoy.
    pub(super) fn table(&self) -> String {
        let mut lines = vec![format!(
            "{:>7}  {:<18} {:>9} {:>9}  {:<15} {:>10} {:<17} {:>9} {:>9}",
            "rules",
            "filter",
            "requests",
            "CPU us",
            "added us",
            "x riskgate",
            "",
            "RSS MiB",
            "peak MiB"
        )];
        lines.extend(self.cells.iter().map(|cell| self.line(cell)));
        lines.join("\n")
    }

    fn line(&self, cell: &Cell) -> String {
        let cpu = Spread::of(cell.cpu_us());
        let added = self.added_us(cell).and_then(Spread::of);
        let times = self.times_ours(cell).and_then(Spread::of);
        let title = match cell.access_log {
            true => format!("{} + log", cell.contender.title()),
            false => cell.contender.title().to_owned(),
        };
        format!(
            "{:>7}  {title:<18} {:>9} {:>9} {:>9}  {:<22} {:>10} {:<17} {:>9.1} {:>9.1}",
            cell.rules,
            cell.requests_a_burst * cell.cpu_ns.len(),
            cpu.map_or(String::new(), |cpu| figure(cpu.median)),
            cpu.map_or(String::new(), |cpu| figure(cpu.min)),
            added.map_or(String::new(), with_quartiles),
            times.map_or(String::new(), |times| figure(times.median)),
            times.map_or(String::new(), quartiles),
            mib(cell.memory.resident_kb),
            mib(cell.memory.peak_kb),
        )
    }

    fn figures(&self, cell: &Cell) -> Vec<(&'static str, &'static str, Spread)> {
        let by_round = [
            ("CPU a request", "µs", Some(cell.cpu_us())),
            ("added CPU a request", "µs", self.added_us(cell)),
            ("added CPU over riskgate's", "x", self.times_ours(cell)),
            (
                "added CPU over that at the fewest rules",
                "x",
                self.growth(cell),
            ),
            (
                "resident memory",
                "MiB",
                Some(vec![mib(cell.memory.resident_kb)]),
            ),
            ("peak memory", "MiB", Some(vec![mib(cell.memory.peak_kb)])),
        ];
        let known = by_round.into_iter();
        known
            .filter_map(|(metric, unit, values)| Some((metric, unit, Spread::of(values?)?)))
            .collect()
    }

    /// Over the Envoy without a filter, round by round.
    fn added_us(&self, cell: &Cell) -> Option<Vec<f64>> {
        let none = self.beside(cell, Contender::None)?;
        let both = cell.cpu_us().into_iter().zip(none.cpu_us());
        (cell.contender != Contender::None)
            .then(|| both.map(|(with, without)| with - without).collect())
    }

    fn times_ours(&self, cell: &Cell) -> Option<Vec<f64>> {
        let ours = self.beside(cell, Contender::Ours)?;
        self.ratios(cell, ours)
    }

    fn growth(&self, cell: &Cell) -> Option<Vec<f64>> {
        let alike = self.cells.iter().filter(|other| {
            (other.contender, other.access_log) == (cell.contender, cell.access_log)
        });
        let fewest = alike.min_by_key(|other| other.rules)?;
        self.ratios(cell, fewest)
    }

    fn ratios(&self, cell: &Cell, base: &Cell) -> Option<Vec<f64>> {
        let same = std::ptr::eq(cell, base);
        let both = self.added_us(cell)?.into_iter().zip(self.added_us(base)?);
        (!same).then(|| both.map(|(it, base)| it / base).collect())
    }

    /// The cell of the same size and access log.
    fn beside(&self, cell: &Cell, contender: Contender) -> Option<&'c Cell> {
        self.cells.iter().find(|other| {
            (other.contender, other.rules, other.access_log)
                == (contender, cell.rules, cell.access_log)
        })
    }

    fn group(&self, cell: &Cell) -> String {
        let log = if cell.access_log { ", access log" } else { "" };
        format!("{}{log}", self.shape)
    }
}

impl Cell {
    fn cpu_us(&self) -> Vec<f64> {
        self.cpu_ns.iter().map(|ns| *ns as f64 / 1000.0).collect()
    }
}

fn with_quartiles(spread: Spread) -> String {
    format!("{} {}", figure(spread.median), quartiles(spread))
}

fn quartiles(spread: Spread) -> String {
    let Spread {
        lower_quartile,
        upper_quartile,
        ..
    } = spread;
    format!("({} to {})", figure(lower_quartile), figure(upper_quartile))
}

fn mib(kb: u64) -> f64 {
    kb as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(contender: Contender, rules: usize, cpu_ns: [u64; 3]) -> Cell {
        Cell {
            rules,
            contender,
            access_log: false,
            requests_a_burst: 1,
            cpu_ns: cpu_ns.to_vec(),
            memory: Memory {
                resident_kb: 2048,
                peak_kb: 4096,
            },
        }
    }

    #[test]
    fn filters_are_compared_round_by_round() {
        let cells = [
            cell(Contender::None, 10, [10_000, 20_000, 10_000]),
            cell(Contender::Ours, 10, [14_000, 24_000, 15_000]),
            cell(Contender::Rbac, 10, [18_000, 28_000, 30_000]),
            cell(Contender::None, 100, [11_000, 11_000, 11_000]),
            cell(Contender::Ours, 100, [19_000, 15_000, 21_000]),
        ];
        let [_, ours, rbac, none_100, ours_100] = &cells;
        let report = Report::new(&cells, "selective");
        assert_eq!(report.added_us(ours), Some(vec![4.0, 4.0, 5.0]));
        assert_eq!(report.times_ours(rbac), Some(vec![2.0, 2.0, 4.0]));
        assert_eq!(report.growth(ours_100), Some(vec![2.0, 1.0, 2.0]));
        assert_eq!(report.growth(ours), None);
        assert_eq!(report.added_us(none_100), None);
    }
}
