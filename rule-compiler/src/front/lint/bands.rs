//! Score bands that every request reaches, or none.

use crate::{
    diagnostic::{Code, Diagnostic, Diagnostics, Span},
    ir::Rule,
};

/// Warns of bands that begin at or below the score of a request that no rule scores, and of those that all scores together do not
/// reach. `bands` are where they begin, with the places where that is said.
pub(crate) fn bands(bands: &[(i64, Span)], rules: &[Rule], diagnostics: &mut Diagnostics) {
    let scores = rules.iter().filter_map(|rule| rule.then.score);
    let most: i64 = scores.map(|score| i64::from(score.max(0))).sum();
    for (at_least, place) in bands {
        let (message, help) = if *at_least <= 0 {
            (
                "a request that no rule scores has 0, and reaches this band".to_owned(),
                "let it begin above 0; what is done with all others is the `default`",
            )
        } else if *at_least > most {
            (
                format!("no request reaches this band: all scores together are {most}"),
                "let it begin lower, or let rules score more",
            )
        } else {
            continue;
        };
        let diagnostic = Diagnostic::new(Code::BandReach, place.clone(), message);
        diagnostics.push(diagnostic.help(help));
    }
}
