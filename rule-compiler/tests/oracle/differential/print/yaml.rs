//! A ruleset as the files that an author would have written.

use std::collections::BTreeSet;

use jiff::Timestamp;
use riskgate_compiler::ir::{
    Active, Atom, Attribute, Base, Comparison, Condition, List, ListValues, Number, Outcome,
    Prefix, Reply, Rule, Ruleset, Stage, TemplatePart, Terminal, Test, Transform, View,
};
use serde_json::Value;

use super::Unsayable;

type Said = Result<String, Unsayable>;

/// `ruleset.yaml`, with the lists that rules name.
pub(super) fn manifest(ruleset: &Ruleset) -> Said {
    let mut text = format!(
        "language: 1\nruleset: {}\ndefault: {}\n",
        ruleset.name,
        terminal(&ruleset.default)?
    );
    if !ruleset.bands.is_empty() {
        text += "score_bands:\n";
        for band in &ruleset.bands {
            within(band.at_least, 1_000_000_000_000)?;
            text += &format!(
                "  - {{ at_least: {}, then: {} }}\n",
                band.at_least,
                terminal(&band.then)?
            );
        }
    }
    if !ruleset.lists.is_empty() {
        text += "lists:\n";
        for list in &ruleset.lists {
            text += &self::list(list)?;
        }
    }
    Ok(text)
}

/// `a.rules.yaml`.
pub(super) fn rules(ruleset: &Ruleset) -> Said {
    let rules: Result<Vec<String>, Unsayable> = ruleset
        .rules
        .iter()
        .map(|rule| self::rule(ruleset, rule))
        .collect();
    Ok(match rules?.concat() {
        none if none.is_empty() => "rules: []\n".to_owned(),
        rules => format!("rules:\n{rules}"),
    })
}

pub(super) fn rule(ruleset: &Ruleset, rule: &Rule) -> Said {
    let mut text = format!("  - id: {}\n", rule.id);
    within(rule.priority.into(), 1_000_000)?;
    text += &format!("    priority: {}\n", rule.priority);
    text += &stage(&rule.stage)?;
    let Active { from_us, until_us } = rule.active;
    let sides = [("from", from_us), ("until", until_us)];
    let sides: Result<Vec<String>, Unsayable> = sides
        .into_iter()
        .filter_map(|(name, time_us)| Some((name, time_us?)))
        .map(|(name, time_us)| Ok(format!("{name}: {}", quoted(&time(time_us)?))))
        .collect();
    let sides = sides?;
    if !sides.is_empty() {
        text += &format!("    active: {{ {} }}\n", sides.join(", "));
    }
    text += &format!("    when: {}\n", quoted(&condition(ruleset, &rule.when)?));
    text += &format!("    then: {}\n", outcome(&rule.then)?);
    Ok(text)
}

fn stage(stage: &Stage) -> Said {
    let canary = match stage {
        Stage::Enforce => return Ok(String::new()),
        Stage::Shadow => return Ok("    stage: shadow\n".to_owned()),
        Stage::Canary(canary) => canary,
    };
    let by: Result<Vec<String>, Unsayable> = canary
        .by
        .iter()
        .map(|key| Ok(quoted(&attribute(key)?)))
        .collect();
    Ok(format!(
        "    stage: canary\n    canary: {{ percent: {}, by: [{}] }}\n",
        f64::from(canary.share) / 100.0,
        by?.join(", ")
    ))
}

fn list(list: &List) -> Said {
    let (kind, values): (&str, Result<Vec<String>, Unsayable>) = match &list.values {
        ListValues::Strings(values) => (
            "string",
            values
                .iter()
                .map(|value| Ok(quoted(text(value)?)))
                .collect(),
        ),
        ListValues::Prefixes(values) => (
            "cidr",
            values
                .iter()
                .map(|value| Ok(quoted(&prefix(value))))
                .collect(),
        ),
    };
    Ok(format!(
        "  {}: {{ type: {kind}, values: [{}] }}\n",
        list.name,
        values?.join(", ")
    ))
}

fn condition(ruleset: &Ruleset, condition: &Condition) -> Said {
    let joined = |parts: &[Condition], by: &str| -> Said {
        let parts: Result<Vec<String>, Unsayable> = parts
            .iter()
            .map(|part| self::condition(ruleset, part))
            .collect();
        Ok(format!("({})", parts?.join(by)))
    };
    match condition {
        Condition::Constant(constant) => Ok(constant.to_string()),
        Condition::Atom(atom) => self::atom(ruleset, atom),
        Condition::Not(inner) => Ok(format!("!({})", self::condition(ruleset, inner)?)),
        Condition::All(parts) => joined(parts, " && "),
        Condition::Any(parts) => joined(parts, " || "),
    }
}

fn atom(ruleset: &Ruleset, atom: &Atom) -> Said {
    let left = attribute(&atom.attribute)?;
    let call = |name: &str, argument: &[u8]| -> Said {
        Ok(format!("{left}.{name}({})", literal(text(argument)?)))
    };
    Ok(match &atom.test {
        Test::Present if atom.attribute.view == View::Size => {
            return Err(Unsayable("has(size(..))"));
        }
        Test::Present => format!("has({left})"),
        Test::IsTrue => format!("{left} == true"),
        Test::IsFalse => format!("{left} == false"),
        Test::OneOf(values) => {
            let values: Result<Vec<String>, Unsayable> = values
                .iter()
                .map(|value| Ok(literal(text(value)?)))
                .collect();
            format!("{left} in [{}]", values?.join(", "))
        }
        Test::InList(list) => format!("{left} in lists.{}", ruleset.lists[*list].name),
        Test::InPrefixes(prefixes) => {
            let prefixes: Vec<String> = prefixes.iter().map(|one| literal(&prefix(one))).collect();
            format!("{left} in [{}]", prefixes.join(", "))
        }
        Test::Compare(comparison, number) => {
            let right = match (&atom.attribute.base, number) {
                (Base::Time, Number::Int(time_us)) => format!("timestamp(\"{}\")", time(*time_us)?),
                (_, Number::Int(int)) => int.to_string(),
                (_, Number::Double(double)) => format!("{double:?}"),
            };
            format!("{left} {} {right}", sign(*comparison))
        }
        Test::StartsWith(value) => call("startsWith", value)?,
        Test::EndsWith(value) => call("endsWith", value)?,
        Test::Contains(value) => call("contains", value)?,
        Test::Matches(pattern) => call("matches", pattern.text().as_bytes())?,
    })
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "==",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

fn attribute(attribute: &Attribute) -> Said {
    let mut chain = base(&attribute.base)?;
    for step in &attribute.transforms {
        chain += match step {
            Transform::LowerAscii => ".lowerAscii()",
            Transform::Trim => ".trim()",
            Transform::UrlDecode => ".urlDecode()",
            Transform::UrlDecodeAll => ".urlDecodeAll()",
            Transform::NormalizePath => ".normalizePath()",
            Transform::CompressSpaces => ".compressSpaces()",
            Transform::RemoveNulls => ".removeNulls()",
            Transform::HtmlUnescape => ".htmlUnescape()",
            Transform::Base64Decode => ".base64Decode()",
        };
    }
    Ok(match attribute.view {
        View::Value | View::Address => chain,
        View::Int => format!("int({chain})"),
        View::Double => format!("double({chain})"),
        View::Length => format!("{chain}.length()"),
        View::Size => format!("size({chain})"),
    })
}

fn base(base: &Base) -> Said {
    let single = match base {
        Base::Method => "request.method",
        Base::Scheme => "request.scheme",
        Base::Host => "request.host",
        Base::Hostname => "request.hostname",
        Base::Protocol => "request.protocol",
        Base::Id => "request.id",
        Base::Path => "request.path",
        Base::UrlPath => "request.url_path",
        Base::Query => "request.query",
        Base::Time => "request.time",
        Base::SourceIp => "source.ip",
        Base::ClientIp => "client.ip",
        Base::Mtls => "connection.mtls",
        Base::PeerUriSan => "connection.uri_san_peer_certificate",
        Base::PeerSubject => "connection.subject_peer_certificate",
        Base::ServerName => "connection.requested_server_name",
        Base::TlsVersion => "connection.tls_version",
        Base::Param(name) => return Ok(format!("request.params[{}]", literal(text(name)?))),
        Base::Header(name) => return Ok(format!("request.headers[{}]", literal(name))),
        Base::Cookie(name) => return Ok(format!("request.cookies[{}]", literal(text(name)?))),
        Base::BodyJson(pointer) => {
            return Ok(format!("request.body.json[{}]", literal(pointer)));
        }
        Base::BodyForm(name) => {
            return Ok(format!("request.body.form[{}]", literal(text(name)?)));
        }
        Base::Claim(name) => return Ok(format!("auth.claims[{}]", literal(name))),
        Base::Custom { .. } => {
            return Err(Unsayable("a custom attribute, which is declared elsewhere"));
        }
        Base::Counter(_) | Base::ResponseCode | Base::ResponseHeader(_) => {
            return Err(Unsayable("counters"));
        }
    };
    Ok(single.to_owned())
}

fn outcome(outcome: &Outcome) -> Said {
    if matches!(outcome, Outcome { terminal: Some(Terminal::Allow), score: None, tags } if tags.is_empty())
    {
        return Ok("allow".to_owned());
    }
    let mut entries = Vec::new();
    match &outcome.terminal {
        None => {}
        Some(Terminal::Allow) => return Err(Unsayable("allow beside a score or tags")),
        Some(other) => entries.push(action(other)?),
    }
    if let Some(score) = outcome.score {
        within(score.into(), 1_000_000)?;
        entries.push(format!("score: {score}"));
    }
    if !outcome.tags.is_empty() {
        if !outcome.tags.iter().all(|(_, value)| is_header_value(value)) {
            return Err(Unsayable("a tag that no header could carry"));
        }
        entries.push(format!("tag: {}", map(&outcome.tags)));
    }
    Ok(format!("{{ {} }}", entries.join(", ")))
}

/// A `then` of a band, or the default.
pub(super) fn terminal(terminal: &Terminal) -> Said {
    Ok(match terminal {
        Terminal::Allow => "allow".to_owned(),
        other => format!("{{ {} }}", action(other)?),
    })
}

fn action(terminal: &Terminal) -> Said {
    Ok(match terminal {
        Terminal::Allow => return Err(Unsayable("allow with something inside")),
        Terminal::Deny(reply) => format!("deny: {}", self::reply(reply)?),
        Terminal::Challenge(reply) => format!("challenge: {}", self::reply(reply)?),
        Terminal::Redirect(parts) => {
            format!("challenge: {{ redirect: {} }}", quoted(&template(parts)))
        }
    })
}

fn reply(reply: &Reply) -> Said {
    let Reply {
        status,
        headers,
        body,
    } = reply;
    let names: BTreeSet<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    if names.len() < headers.len() {
        return Err(Unsayable("a reply with a header twice"));
    }
    Ok(format!(
        "{{ status: {status}, headers: {}, body: {} }}",
        map(headers),
        quoted(body)
    ))
}

fn map(entries: &[(String, String)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(name, value)| format!("{name}: {}", quoted(value)))
        .collect();
    format!("{{ {} }}", entries.join(", "))
}

fn template(parts: &[TemplatePart]) -> String {
    parts
        .iter()
        .map(|part| match part {
            TemplatePart::Literal(text) => text,
            TemplatePart::Path => "{request.path}",
            TemplatePart::Host => "{request.host}",
            TemplatePart::UrlPath => "{request.url_path}",
            TemplatePart::RuleId => "{rule.id}",
        })
        .collect()
}

fn is_header_value(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}

fn within(number: i64, most: i64) -> Result<(), Unsayable> {
    if (-most..=most).contains(&number) {
        Ok(())
    } else {
        Err(Unsayable("a number larger than rules may have"))
    }
}

fn prefix(prefix: &Prefix) -> String {
    format!("{}/{}", prefix.address, prefix.length)
}

fn time(time_us: i64) -> Said {
    let time = Timestamp::from_microsecond(time_us);
    let time = time
        .map_err(|_| Unsayable("a year that has no date"))?
        .to_string();
    if time.starts_with('-') {
        return Err(Unsayable("a year before 0"));
    }
    Ok(time)
}

fn text(bytes: &[u8]) -> Result<&str, Unsayable> {
    std::str::from_utf8(bytes).map_err(|_| Unsayable("a string that is not UTF-8"))
}

/// A string of YAML; every string of JSON is one.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A string of an expression.
fn literal(text: &str) -> String {
    let mut literal = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => literal.extend(['\\', letter]),
            control if control.is_control() => {
                literal += &format!("\\u{:04x}", u32::from(control));
            }
            other => literal.push(other),
        }
    }
    literal + "\""
}
