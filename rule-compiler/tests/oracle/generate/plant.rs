//! Plants in a request what a rule looks for, hidden the way its transforms undo.

use proptest::prelude::Just;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use riskgate_compiler::ir::{Atom, Base, Condition, ListValues, Ruleset, Test, Transform, View};

use super::body::{with_field, with_json};
use super::mutation::{base64, html_numeric, percent, percent_special};
use super::number::texts_near;
use super::request::{Bytes, RequestCase};
use crate::oracle::url_path;

/// Which atom of a ruleset to plant for, and how.
#[derive(Debug, Clone)]
pub(super) struct Plant {
    atom: Index,
    literal: Index,
    hidden: bool,
    around: (&'static str, &'static str),
}

pub(super) fn plant() -> impl Strategy<Value = Plant> {
    let around = prop_oneof![4 => Just(("", "")), 1 => select(&[("x", ""), ("", "x"), ("a b", "/c"), ("\0", " ")][..])];
    (any::<Index>(), any::<Index>(), any::<bool>(), around).prop_map(
        |(atom, literal, hidden, around)| Plant {
            atom,
            literal,
            hidden,
            around,
        },
    )
}

/// Puts the plant into the request; nothing happens where the chosen atom tests no string.
pub(super) fn apply(request: &mut RequestCase, plant: &Plant, ruleset: &Ruleset) {
    let mut atoms = Vec::new();
    ruleset
        .rules
        .iter()
        .for_each(|rule| collect_atoms(&rule.when, &mut atoms));
    if atoms.is_empty() {
        return;
    }
    let atom = plant.atom.get(&atoms);
    let literals = literals(ruleset, atom);
    if literals.is_empty() {
        return;
    }
    let (before, after) = plant.around;
    let literal = [
        before.as_bytes(),
        plant.literal.get(&literals).as_slice(),
        after.as_bytes(),
    ]
    .concat();
    let steps = atom
        .attribute
        .transforms
        .iter()
        .rev()
        .filter(|_| plant.hidden);
    put(request, &atom.attribute.base, steps.fold(literal, hide));
}

fn collect_atoms<'a>(condition: &'a Condition, atoms: &mut Vec<&'a Atom>) {
    match condition {
        Condition::Constant(_) => {}
        Condition::Atom(atom) => atoms.push(atom),
        Condition::Not(inner) => collect_atoms(inner, atoms),
        Condition::All(parts) | Condition::Any(parts) => {
            for part in parts {
                collect_atoms(part, atoms);
            }
        }
    }
}

fn literals(ruleset: &Ruleset, atom: &Atom) -> Vec<Vec<u8>> {
    match (&atom.test, atom.attribute.view) {
        (Test::OneOf(strings), _) => strings.clone(),
        (Test::InList(list), _) => match &ruleset.lists[*list].values {
            ListValues::Strings(strings) => strings.clone(),
            ListValues::Prefixes(_) => Vec::new(),
        },
        (Test::StartsWith(literal) | Test::EndsWith(literal) | Test::Contains(literal), _) => {
            vec![literal.clone()]
        }
        (Test::Compare(_, number), View::Int | View::Double) => texts_near(*number),
        _ => Vec::new(),
    }
}

/// A value that the transform turns into the given one, more or less.
pub(super) fn hide(value: Vec<u8>, step: &Transform) -> Vec<u8> {
    let middle = value.len() / 2;
    match step {
        Transform::LowerAscii => value.to_ascii_uppercase(),
        Transform::Trim => [b"\x0b ", value.as_slice(), b"\t"].concat(),
        Transform::UrlDecode => value.iter().flat_map(|byte| percent(*byte)).collect(),
        Transform::UrlDecodeAll => {
            let once: Vec<u8> = value
                .iter()
                .flat_map(|byte| percent_special(*byte))
                .collect();
            once.iter()
                .flat_map(|byte| percent_special(*byte))
                .collect()
        }
        Transform::NormalizePath if value.starts_with(b"/") => {
            [b"/x\\.//..", value.as_slice()].concat()
        }
        Transform::NormalizePath => [b".\\/", value.as_slice()].concat(),
        Transform::CompressSpaces => value
            .iter()
            .flat_map(|byte| {
                if *byte == b' ' {
                    b"\t \n".to_vec()
                } else {
                    vec![*byte]
                }
            })
            .collect(),
        Transform::RemoveNulls => [&value[..middle], b"\0", &value[middle..], b"\0"].concat(),
        Transform::HtmlUnescape => html_numeric(&value),
        Transform::Base64Decode => base64(
            &value,
            value.len().is_multiple_of(2),
            value.len().is_multiple_of(5),
        ),
    }
}

pub(super) fn put(request: &mut RequestCase, base: &Base, value: Vec<u8>) {
    let single = match base {
        Base::Method => &mut request.method,
        Base::Scheme => &mut request.scheme,
        Base::Host | Base::Hostname => &mut request.host,
        Base::Protocol => &mut request.protocol,
        Base::Id => &mut request.id,
        Base::Path | Base::UrlPath | Base::Query => &mut request.path,
        Base::PeerUriSan => &mut request.peer_uri_san,
        Base::PeerSubject => &mut request.peer_subject,
        Base::ServerName => &mut request.server_name,
        Base::TlsVersion => &mut request.tls_version,
        named => return put_named(request, named, value),
    };
    *single = Some(Bytes(match base {
        Base::Hostname => [value.to_ascii_uppercase().as_slice(), b":8443"].concat(),
        Base::UrlPath => [value.as_slice(), b"?n=5"].concat(),
        Base::Query => {
            let path = single.take().map_or_else(|| b"/".to_vec(), |path| path.0);
            [url_path(&path), b"?", value.as_slice()].concat()
        }
        _ => value,
    }));
}

fn put_named(request: &mut RequestCase, base: &Base, value: Vec<u8>) {
    let pair = |name: &[u8], value| (Bytes(name.to_vec()), Bytes(value));
    match base {
        Base::Param(name) => put_param(request, name, &value),
        Base::Header(name) => request.headers.push(pair(name.as_bytes(), value)),
        Base::Cookie(name) => {
            let cookies = [b" a=b; ", name.as_slice(), b"=", &value].concat();
            request.headers.push(pair(b"cookie", cookies));
        }
        Base::Claim(name) => request.claims.push(pair(name.as_bytes(), value)),
        Base::Custom { name, .. } => request.custom.push(pair(name.as_bytes(), value)),
        Base::BodyJson(pointer) => {
            request.body = Some(with_json(request.body.as_ref(), pointer, &value));
        }
        Base::BodyForm(name) => {
            request.body = Some(with_field(request.body.as_ref(), name, &value));
        }
        other => panic!("no string can be planted in {other:?}"),
    }
}

fn put_param(request: &mut RequestCase, name: &[u8], value: &[u8]) {
    let encoded = |text: &[u8]| {
        text.iter()
            .flat_map(|byte| percent_special(*byte))
            .collect::<Vec<u8>>()
    };
    let path = request
        .path
        .take()
        .map_or_else(|| b"/".to_vec(), |path| path.0);
    let mark = if path.contains(&b'?') { b"&" } else { b"?" };
    request.path = Some(Bytes(
        [path.as_slice(), mark, &encoded(name), b"=", &encoded(value)].concat(),
    ));
}
