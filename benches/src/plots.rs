//! Plots of a record: one for each group and metric that has values for more than one number of rules.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::{
    ChartBuilder, Circle, Color, IntoDrawingArea as _, IntoLogRange as _, LineSeries, PathElement,
    RGBColor, SVGBackend, WHITE,
};

use crate::record::{Measurement, Record, figure};

/// Told apart by people who do not tell all colours apart (Okabe and Ito, "Color Universal Design").
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(110, 110, 110),
    RGBColor(0, 0, 0),
];

const SIZE: (u32, u32) = (720, 420);
const GRID: RGBColor = RGBColor(225, 225, 225);
const FRAME: RGBColor = RGBColor(120, 120, 120);

/// From this ratio of the largest to the smallest value on, a linear axis would hide the small ones.
const LOGARITHMIC_FROM: f64 = 12.0;

/// What one plot shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// File name in the record's folder.
    pub file: String,
    /// Above it.
    pub title: String,
    unit: String,
    /// By name, points by number of rules.
    series: BTreeMap<String, Vec<Point>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    rules: f64,
    value: f64,
    low: f64,
    high: f64,
}

/// The plots of a record.
#[must_use]
pub fn plots(record: &Record) -> Vec<Plot> {
    let mut plots: Vec<Plot> = Vec::new();
    for measurement in record.measurements.iter().filter(|each| each.rules > 0) {
        let file = file_name(&record.part, measurement);
        let index = plots.iter().position(|plot| plot.file == file);
        let index = index.unwrap_or_else(|| {
            plots.push(Plot {
                title: format!("{}: {}", measurement.group, measurement.metric),
                unit: measurement.unit.clone(),
                series: BTreeMap::new(),
                file,
            });
            plots.len() - 1
        });
        let series = plots[index].series.entry(measurement.series.clone());
        series.or_default().push(Point::of(measurement));
    }
    plots.retain(|plot| plot.series.values().any(|points| points.len() > 1));
    for points in plots.iter_mut().flat_map(|plot| plot.series.values_mut()) {
        points.sort_by(|one, other| one.rules.total_cmp(&other.rules));
    }
    plots
}

fn file_name(part: &str, measurement: &Measurement) -> String {
    let name = format!("{part}-{}-{}", measurement.group, measurement.metric);
    let plain = name
        .to_ascii_lowercase()
        .replace(|letter: char| !letter.is_ascii_alphanumeric(), " ");
    let words: Vec<&str> = plain.split_whitespace().collect();
    format!("{}.svg", words.join("-"))
}

impl Point {
    fn of(measurement: &Measurement) -> Point {
        Point {
            rules: measurement.rules as f64,
            value: measurement.value,
            low: measurement.low.unwrap_or(measurement.value),
            high: measurement.high.unwrap_or(measurement.value),
        }
    }
}

impl Plot {
    /// Draws it into a folder.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn draw(&self, folder: &Path) -> Result<()> {
        let ends = |values: Vec<f64>| {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (low, high)
        };
        let points = || self.series.values().flatten();
        let (fewest, most) = ends(points().map(|point| point.rules).collect());
        let (low, high) = ends(points().flat_map(|point| [point.low, point.high]).collect());
        let file = folder.join(&self.file);
        let rules = (fewest / 1.3)..(most * 1.3);
        let drawn = if low > 0.0 && high / low >= LOGARITHMIC_FROM {
            let values = ((low / 1.5)..(high * 1.5)).log_scale();
            self.draw_over(&file, rules, values)
        } else {
            self.draw_over(&file, rules, low.min(0.0)..high * 1.15)
        };
        drawn.map_err(|error| anyhow!("draw {}: {error}", file.display()))
    }

    fn draw_over<Y>(
        &self,
        file: &Path,
        rules: std::ops::Range<f64>,
        values: Y,
    ) -> Result<(), Box<dyn std::error::Error>>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let area = SVGBackend::new(file, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", 17))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(rules.log_scale(), values)?;
        chart
            .configure_mesh()
            .max_light_lines(0)
            .bold_line_style(GRID)
            .axis_style(FRAME)
            .x_desc("rules")
            .y_desc(&self.unit)
            .x_label_formatter(&|rules| thousands(*rules))
            .y_label_formatter(&|value| figure(*value))
            .draw()?;
        for ((name, points), colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let line = points.iter().map(|point| (point.rules, point.value));
            chart
                .draw_series(LineSeries::new(line.clone(), colour.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
            chart.draw_series(line.map(|place| Circle::new(place, 3, colour.filled())))?;
            chart.draw_series(points.iter().map(|point| {
                let ends = [(point.rules, point.low), (point.rules, point.high)];
                PathElement::new(ends, colour.stroke_width(1))
            }))?;
        }
        chart
            .configure_series_labels()
            .position(plotters::chart::SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(GRID)
            .draw()?;
        area.present()?;
        Ok(())
    }
}

/// `10`, `1k`, `1M`.
fn thousands(number: f64) -> String {
    match number {
        million if million >= 1e6 => format!("{}M", million / 1e6),
        thousand if thousand >= 1e3 => format!("{}k", thousand / 1e3),
        few => few.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Run;

    fn record() -> Record {
        let mut record = Record::begin("engine", Run::Quick).unwrap();
        for (metric, series, rules, value) in [
            ("decision, median", "hit", 10, 1.0),
            ("decision, median", "hit", 10_000, 1.9),
            ("decision, median", "miss", 10, 0.9),
            ("size", "bundle", 10, 4.0),
        ] {
            record.measurements.push(Measurement {
                group: "strings list".to_owned(),
                metric: metric.to_owned(),
                unit: "µs".to_owned(),
                series: series.to_owned(),
                rules,
                value,
                low: Some(value * 0.9),
                high: Some(value * 1.1),
                samples: 1,
            });
        }
        record
    }

    #[test]
    fn what_has_one_number_of_rules_is_not_plotted() {
        let plots = plots(&record());
        let files: Vec<&str> = plots.iter().map(|plot| plot.file.as_str()).collect();
        assert_eq!(files, ["engine-strings-list-decision-median.svg"]);
    }

    #[test]
    fn a_plot_names_its_series_and_axes() {
        let folder = tempfile::tempdir().unwrap();
        for plot in plots(&record()) {
            plot.draw(folder.path()).unwrap();
            let svg = std::fs::read_to_string(folder.path().join(&plot.file)).unwrap();
            for text in ["hit", "miss", "rules", "µs", "10k"] {
                assert!(svg.contains(text), "{text} in {svg}");
            }
        }
    }
}
