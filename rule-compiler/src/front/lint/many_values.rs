//! Allow rules that trust an attribute of which a client can send several values.

use std::collections::HashSet;

use crate::{
    diagnostic::Code,
    front::{
        check::{Place, is_many_valued},
        context::Context,
        when::When,
    },
    ir::{Atom, Base, Comparison, Condition, Number, Outcome, Terminal, Test, View},
};

/// An allow rule that lets through whoever adds a good value to a bad one.
pub(super) fn allow_trusts_many_values(cx: &mut Context<'_>, when: &When<'_>, then: &Outcome) {
    if then.terminal != Some(Terminal::Allow) {
        return;
    }
    let mut search = Search {
        places: when.atoms.iter(),
        found: Vec::new(),
    };
    search.walk(&when.condition, true, &HashSet::new());
    for place in search.found {
        let range = place.range(cx);
        let written = cx.text.get(range.clone()).unwrap_or("");
        let message = format!(
            "this allow rule trusts `{written}`, of which a client can send several values"
        );
        let diagnostic = cx.diagnostic(Code::AllowTrustsManyValues, &range, message);
        cx.report(diagnostic.help("add `size(..) == 1` on the same header, parameter or cookie to the `all` that it stands in"));
    }
}

/// Walks a condition's atoms in the order in which their places were noted.
struct Search<'w, 'n> {
    places: core::slice::Iter<'w, Place<'n>>,
    found: Vec<&'w Place<'n>>,
}

impl Search<'_, '_> {
    /// `trusted` is false below an odd number of negations: there, a further value can only keep the rule from matching.
    fn walk<'c>(&mut self, condition: &'c Condition, trusted: bool, counted: &HashSet<&'c Base>) {
        match condition {
            Condition::Constant(_) => {}
            Condition::Not(inner) => self.walk(inner, !trusted, counted),
            Condition::All(operands) | Condition::Any(operands) => {
                let mut counted = counted.clone();
                collect_counted(condition, trusted, &mut counted);
                operands
                    .iter()
                    .for_each(|operand| self.walk(operand, trusted, &counted));
            }
            Condition::Atom(atom) => {
                let place = self.places.next();
                if trusted && trusts_a_value(atom) && !counted.contains(&atom.attribute.base) {
                    self.found.extend(place);
                }
            }
        }
    }
}

fn trusts_a_value(atom: &Atom) -> bool {
    is_many_valued(&atom.attribute.base)
        && atom.attribute.view != View::Size
        && atom.test != Test::Present
}

/// The attributes of which `size(a) == 1` must be true for `condition` to be `holds`.
fn collect_counted<'c>(condition: &'c Condition, holds: bool, counted: &mut HashSet<&'c Base>) {
    match condition {
        Condition::Not(inner) => collect_counted(inner, !holds, counted),
        // No operand of an `any` that does not hold does.
        Condition::All(operands) if holds => collect_all(operands, holds, counted),
        Condition::Any(operands) if !holds => collect_all(operands, holds, counted),
        Condition::Atom(Atom {
            attribute,
            test: Test::Compare(Comparison::Equal, Number::Int(1)),
        }) if holds && attribute.view == View::Size && attribute.transforms.is_empty() => {
            counted.insert(&attribute.base);
        }
        _ => {}
    }
}

fn collect_all<'c>(operands: &'c [Condition], holds: bool, counted: &mut HashSet<&'c Base>) {
    for operand in operands {
        collect_counted(operand, holds, counted);
    }
}
