//! Rules that refuse whoever does not send something, perhaps without meaning to.

use super::{
    Effect, Subject, about_tests,
    walk::{Tested, tests},
};
use crate::{
    diagnostic::Code,
    front::{check::Place, context::Context},
    ir::{Base, Test, View},
};

/// Warns of an attribute that a refusing rule only negates a test of: where it is absent the negation is true.
pub(super) fn only_negated(cx: &mut Context<'_>, subject: &Subject<'_, '_>) {
    if Effect::of(subject.then) != Effect::Refuses {
        return;
    }
    let tests = tests(subject.when);
    let is_alone = |tested: &Tested<'_, '_>| {
        let same =
            |other: &&Tested<'_, '_>| other.atom.attribute.base == tested.atom.attribute.base;
        tests.iter().filter(same).count() == 1
    };
    let places: Vec<&Place<'_>> = tests
        .iter()
        .filter(|tested| {
            tested.negated && !tested.positive && says_a_value(tested) && is_alone(tested)
        })
        .map(|tested| tested.place)
        .collect();
    let message = |written: &str| {
        format!(
            "this rule refuses requests without `{written}`, too: a negated test of an absent attribute is true"
        )
    };
    if let Some(diagnostic) = about_tests(cx, Code::NegationOfAbsent, &places, message) {
        cx.report(diagnostic.help(
            "add `has(..)` of the attribute beside the negation, or `!has(..) ||` before it if these are meant",
        ));
    }
}

fn says_a_value(tested: &Tested<'_, '_>) -> bool {
    let attribute = &tested.atom.attribute;
    let is_optional = match attribute.base {
        Base::Query
        | Base::Param(_)
        | Base::Header(_)
        | Base::Cookie(_)
        | Base::Claim(_)
        | Base::PeerUriSan
        | Base::PeerSubject
        | Base::ServerName
        | Base::TlsVersion
        | Base::ResponseHeader(_)
        | Base::BodyJson(_)
        | Base::BodyForm(_)
        | Base::Custom { .. } => true,
        Base::Method
        | Base::Scheme
        | Base::Host
        | Base::Hostname
        | Base::Protocol
        | Base::Id
        | Base::Path
        | Base::UrlPath
        | Base::Time
        | Base::SourceIp
        | Base::ClientIp
        | Base::Mtls
        | Base::Counter(_)
        | Base::ResponseCode => false,
    };
    is_optional && attribute.view != View::Size && tested.atom.test != Test::Present
}
