//! A request whose tests come out as they are wanted, made field by field.

use std::collections::BTreeMap;
use std::net::IpAddr;

use riskgate_engine::attributes::Base;

use super::Want;
use super::draft::{Draft, Field, Setting};
use super::json;
use super::probe::Probe;
use super::settings::{settings, value_lists};
use super::texts::texts;
use crate::diff::resolve::{Subject, Test};
use crate::request_json::OwnedRequest;

/// Of the whole of a URL or of a cookie header so many are tried.
const WHOLES_TRIED: usize = 120;
/// So often a request is repeated at most, so that counters rise.
const REPEAT_MAX: i64 = 200;

/// A request, and how often it comes.
pub(super) struct Candidate {
    pub(super) request: OwnedRequest,
    pub(super) repeat: u32,
    draft: Draft,
}

impl Candidate {
    /// The same of another client, by what clients are told apart by.
    pub(super) fn of_client(&self, keys: &[Subject], number: u8) -> Option<Candidate> {
        let mut draft = self.draft.clone();
        for key in keys {
            let text = format!("c{number}").into_bytes();
            match Field::of(key)? {
                field @ (Field::SourceIp | Field::ClientIp) => {
                    let address = IpAddr::from([198, 51, 100, number]);
                    draft.set(field, Setting::Address(address));
                }
                field @ Field::Header(_) => draft.set(field, Setting::Texts(vec![text])),
                Field::Cookies => {
                    let header = cookie_header(&[(key.key.clone(), text)]);
                    draft.set(Field::Cookies, Setting::Texts(vec![header]));
                }
                field @ (Field::Id | Field::Claim(_) | Field::Custom(_) | Field::ServerName) => {
                    draft.set(field, Setting::Text(text));
                }
                _ => {}
            }
        }
        Some(Candidate {
            request: draft.request()?,
            repeat: self.repeat,
            draft,
        })
    }
}

/// A request that meets all of `wants`, if one is found; `times` are those that it may come at.
pub(super) fn solve(probe: &mut Probe<'_>, wants: &[Want], times: &[i64]) -> Option<Candidate> {
    let mut repeat = 1;
    let mut by_field: BTreeMap<Field, Vec<&Want>> = BTreeMap::new();
    if probe.is_timed {
        by_field.insert(Field::Time, Vec::new());
    }
    for want in wants {
        if let Test::Counter(..) = want.atom.test {
            repeat = repeat.max(repeats(want)?);
        } else {
            let field = Field::of(&want.atom.subject)?;
            by_field.entry(field).or_default().push(want);
        }
    }
    let mut solver = Solver {
        probe,
        draft: Draft::default(),
    };
    for (field, wants) in &by_field {
        let setting = match field {
            Field::Url => solver.url(wants),
            Field::Cookies => solver.cookies(wants),
            Field::Body => solver.body(wants),
            field => solver.first(field, settings(field, wants, times), wants),
        };
        solver.draft.set(field.clone(), setting?);
    }
    let request = solver.draft.request()?;
    Some(Candidate {
        request,
        repeat,
        draft: solver.draft,
    })
}

/// How often a request has to come for a counter to have the value that is wanted, if it counts each.
pub(super) fn repeats(want: &Want) -> Option<u32> {
    use riskgate_engine::atoms::Comparison;
    use riskgate_engine::number::Number;

    let Test::Counter(_, comparison, number) = &want.atom.test else {
        return None;
    };
    let Number::Int(number) = (*number).into() else {
        return None;
    };
    let repeat = match (comparison, want.holds) {
        (Comparison::Greater, true) | (Comparison::LessOrEqual, false) => number.checked_add(1)?,
        (Comparison::GreaterOrEqual | Comparison::Equal, true) | (Comparison::Less, false) => {
            number
        }
        _ => 1,
    };
    (repeat <= REPEAT_MAX).then(|| u32::try_from(repeat.max(1)).ok())?
}

struct Solver<'p, 'a> {
    probe: &'p mut Probe<'a>,
    draft: Draft,
}

impl Solver<'_, '_> {
    /// The first setting with which the field's tests come out as they are wanted.
    fn first(
        &mut self,
        field: &Field,
        settings: impl IntoIterator<Item = Setting>,
        wants: &[&Want],
    ) -> Option<Setting> {
        // The engine cannot be asked about a test that no bundle has: of what has to be there, anything will do.
        let is_bound = self.must_be_there(wants);
        settings.into_iter().find(|setting| {
            if is_bound && *setting == Setting::Default {
                return false;
            }
            let mut draft = Draft::default();
            draft.set(field.clone(), setting.clone());
            let has_budget = self.probe.budget > 0;
            let request = has_budget.then(|| draft.request()).flatten();
            request.is_some_and(|request| self.probe.meets(&request, wants))
        })
    }

    fn must_be_there(&self, wants: &[&Want]) -> bool {
        let is_known = |want: &Want| {
            let sides = [self.probe.old, self.probe.new];
            sides.iter().any(|side| side.ids.contains_key(&want.atom))
        };
        wants.iter().any(|want| want.holds && !is_known(want))
    }

    fn url(&mut self, wants: &[&Want]) -> Option<Setting> {
        let of = |base: Base| -> Vec<&Want> { of_base(wants, base) };
        let (fronts, queries, wholes) = (of(Base::UrlPath), of(Base::Query), of(Base::Path));
        let front = match fronts.as_slice() {
            [] => b"/".to_vec(),
            fronts => self.front(fronts)?,
        };
        let pairs = self.named(&of(Base::Param), &Field::Url, |pairs| {
            Setting::Text(url(b"/", &[query(pairs)]))
        })?;
        let arguments = query(&pairs);
        let mut urls = vec![url(&front, std::slice::from_ref(&arguments))];
        for text in texts(&queries).into_iter().take(WHOLES_TRIED) {
            urls.push(url(&front, &[text.clone(), arguments.clone()]));
            urls.push(url(&front, &[arguments.clone(), text]));
        }
        if !queries.is_empty() && arguments.is_empty() {
            urls.push([front.as_slice(), b"?"].concat());
        }
        for text in texts(&wholes).into_iter().take(WHOLES_TRIED) {
            urls.push(url(&text, std::slice::from_ref(&arguments)));
            urls.push(url(&front, &[text.clone(), arguments.clone()]));
            urls.push(url(&front, &[arguments.clone(), text.clone()]));
            urls.push(url(
                &[front.as_slice(), &text].concat(),
                std::slice::from_ref(&arguments),
            ));
        }
        // A path begins with a slash where nothing speaks against it.
        urls.sort_by_key(|url| !is_ordinary(url));
        self.first(&Field::Url, urls.into_iter().map(Setting::Text), wants)
    }

    fn front(&mut self, wants: &[&Want]) -> Option<Vec<u8>> {
        let mut fronts = texts(wants);
        let rooted: Vec<Vec<u8>> = fronts
            .iter()
            .map(|front| [b"/", front.as_slice()].concat())
            .collect();
        fronts.extend(rooted);
        fronts.retain(|front| !front.contains(&b'?'));
        fronts.sort_by_key(|front| !is_ordinary(front));
        let settings = fronts.into_iter().map(Setting::Text);
        match self.first(&Field::Url, settings, wants)? {
            Setting::Text(front) => Some(front),
            _ => None,
        }
    }

    /// A form, or a JSON document: a body is one of them at most.
    fn body(&mut self, wants: &[&Want]) -> Option<Setting> {
        let (forms, documents) = (
            of_base(wants, Base::BodyForm),
            of_base(wants, Base::BodyJson),
        );
        let is_wanted = |own: &[&Want]| own.iter().any(|want| want.holds);
        let body = |pairs: &[Pair]| Setting::Text(query(pairs));
        let mut settings = vec![Setting::Default];
        if is_wanted(&forms) {
            settings.push(body(&self.named(&forms, &Field::Body, body)?));
        }
        if is_wanted(&documents) {
            let document =
                |pairs: &[Pair]| json::document(pairs).map_or(Setting::Default, Setting::Text);
            settings.push(document(&self.named(&documents, &Field::Body, document)?));
        }
        self.first(&Field::Body, settings, wants)
    }

    fn cookies(&mut self, wants: &[&Want]) -> Option<Setting> {
        let (named, wholes) = (of_base(wants, Base::Cookie), of_base(wants, Base::Header));
        let pairs = self.named(&named, &Field::Cookies, |pairs| {
            Setting::Texts(vec![cookie_header(pairs)])
        })?;
        let own: Vec<Vec<u8>> = match pairs.as_slice() {
            [] => Vec::new(),
            pairs => vec![cookie_header(pairs)],
        };
        let mut settings = vec![Setting::Default, Setting::Texts(own.clone())];
        for list in value_lists(&wholes).into_iter().take(WHOLES_TRIED) {
            settings.push(Setting::Texts([own.clone(), list.clone()].concat()));
            if let [own] = own.as_slice() {
                let joined = list
                    .iter()
                    .map(|text| [own.as_slice(), b"; ", text].concat());
                settings.push(Setting::Texts(joined.collect()));
            }
        }
        self.first(&Field::Cookies, settings, wants)
    }

    /// Names with values, each found for itself.
    fn named(
        &mut self,
        wants: &[&Want],
        field: &Field,
        setting: impl Fn(&[Pair]) -> Setting,
    ) -> Option<Vec<Pair>> {
        let mut names: Vec<&[u8]> = wants
            .iter()
            .map(|want| want.atom.subject.key.as_slice())
            .collect();
        names.sort_unstable();
        names.dedup();
        let mut all = Vec::new();
        for name in names {
            let own = wants.iter().filter(|want| want.atom.subject.key == name);
            let own: Vec<&Want> = own.copied().collect();
            let mut lists = value_lists(&own);
            if !self.must_be_there(&own) {
                lists.insert(0, Vec::new());
            }
            let found = lists.into_iter().find_map(|values| {
                let pairs = values.into_iter().map(|value| (name.to_vec(), value));
                let pairs: Vec<Pair> = pairs.collect();
                self.first(field, [setting(&pairs)], &own).map(|_| pairs)
            });
            all.extend(found?);
        }
        Some(all)
    }
}

/// Name and value.
type Pair = (Vec<u8>, Vec<u8>);

fn of_base<'w>(wants: &[&'w Want], base: Base) -> Vec<&'w Want> {
    let own = wants.iter().filter(|want| want.atom.subject.base == base);
    own.copied().collect()
}

/// Printable, with a slash in front.
fn is_ordinary(url: &[u8]) -> bool {
    url.starts_with(b"/") && url.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

/// A front with what is there of a query.
fn url(front: &[u8], parts: &[Vec<u8>]) -> Vec<u8> {
    let parts = parts.iter().filter(|part| !part.is_empty());
    let query: Vec<&[u8]> = parts.map(Vec::as_slice).collect();
    let join = if front.contains(&b'?') { b"&" } else { b"?" };
    match query.as_slice() {
        [] => front.to_vec(),
        query => [front, join.as_slice(), &query.join(b"&".as_slice())].concat(),
    }
}

fn query(pairs: &[Pair]) -> Vec<u8> {
    let pairs: Vec<Vec<u8>> = pairs
        .iter()
        .map(|(name, value)| [encoded(name).as_slice(), b"=", &encoded(value)].concat())
        .collect();
    pairs.join(b"&".as_slice())
}

fn encoded(text: &[u8]) -> Vec<u8> {
    let bytes = text.iter();
    bytes
        .flat_map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                vec![*byte]
            }
            _ => format!("%{byte:02X}").into_bytes(),
        })
        .collect()
}

fn cookie_header(pairs: &[Pair]) -> Vec<u8> {
    let pairs: Vec<Vec<u8>> = pairs
        .iter()
        .map(|(name, value)| [name.as_slice(), b"=", value].concat())
        .collect();
    pairs.join(b"; ".as_slice())
}
