//! Names to attributes: `request.path`, `request.headers["x-device-id"]`.

use core::ops::Range;

use riskgate_engine::body::{MAX_JSON_TOKENS, is_json_pointer};

use super::{
    Checker,
    scope::{ATTRIBUTES, KeyKind, Source, Spec, Type, Typed, attribute, is_root, methods},
};
use crate::{
    diagnostic::Code,
    front::{
        cel::{Expr, ExprKind, Name},
        custom::{CustomAttributes, CustomType},
        limits::MAX_KEY_LEN,
        reply::is_token,
        text::{closest, did_you_mean, quoted},
    },
    ir::{Attribute, Base, View},
};

impl Checker<'_, '_, '_> {
    /// An attribute without a key.
    pub(super) fn plain_attribute(&mut self, expr: &Expr) -> Option<Typed> {
        let Some(path) = path(expr) else {
            return self.selection_of_value(expr);
        };
        match attribute(&path) {
            Some(Spec {
                ty,
                source: Source::Plain(base),
                ..
            }) => self.placed(typed(base.clone(), *ty, &expr.range)),
            Some(Spec {
                ty,
                source: Source::Header(name),
                ..
            }) => Some(typed(Base::Header((*name).to_owned()), *ty, &expr.range)),
            Some(Spec {
                source: Source::Keyed(kind),
                ..
            }) => {
                let message = format!("`{path}` needs a key");
                self.error(
                    Code::InvalidKey,
                    &expr.range,
                    message,
                    format!("write `{path}[\"{}\"]`", kind.example()),
                )
            }
            None => match self.environment.custom.get(&path).copied() {
                Some(ty) => self.placed(custom(path, ty, &expr.range)),
                None => self.other_name(&path, &expr.range),
            },
        }
    }

    /// An attribute with a key in brackets.
    pub(super) fn keyed_attribute(
        &mut self,
        map: &Expr,
        key: &Expr,
        range: &Range<usize>,
    ) -> Option<Typed> {
        let Some(path) = path(map) else {
            return self.error(
                Code::UnsupportedConstruct,
                range,
                "only maps of the request take a key",
                "leave the brackets out",
            );
        };
        match attribute(&path) {
            Some(Spec {
                source: Source::Keyed(kind),
                ty,
                ..
            }) => {
                let base = self.keyed_base(&path, *kind, key)?;
                self.placed(typed(base, *ty, range))
            }
            Some(_) => self.no_key(&path, key),
            None if self.environment.custom.contains_key(&path) => self.no_key(&path, key),
            None if is_body(&path) => {
                let message = format!("there is no attribute {}", quoted(&path));
                let help = body_help(match &key.kind {
                    ExprKind::String(field) => field,
                    _ => "",
                });
                self.error(Code::UnknownAttribute, &map.range, message, help)
            }
            None => self.other_name(&path, &map.range),
        }
    }

    fn no_key<T>(&mut self, path: &str, key: &Expr) -> Option<T> {
        let message = format!("`{path}` takes no key");
        let help = format!("write `{path}`");
        self.error(Code::InvalidKey, &key.range, message, help)
    }

    fn keyed_base(&mut self, path: &str, kind: KeyKind, key: &Expr) -> Option<Base> {
        let ExprKind::String(name) = &key.kind else {
            let message = format!("the key of `{path}` is a string");
            return self.error(
                Code::InvalidKey,
                &key.range,
                message,
                format!("write `{path}[\"{}\"]`", kind.example()),
            );
        };
        if name.len() > MAX_KEY_LEN {
            let message = format!("a key has at most {MAX_KEY_LEN} bytes");
            return self.error(Code::TooLarge, &key.range, message, "use a shorter key");
        }
        match kind {
            KeyKind::Header => self.header_name(path, name, key).map(Base::Header),
            KeyKind::Param => Some(Base::Param(name.clone().into_bytes())),
            KeyKind::Cookie => Some(Base::Cookie(name.clone().into_bytes())),
            KeyKind::Claim => Some(Base::Claim(name.clone())),
            KeyKind::ResponseHeader => self.header_name(path, name, key).map(Base::ResponseHeader),
            KeyKind::JsonPointer => self.json_pointer(path, name, key).map(Base::BodyJson),
            KeyKind::FormField => Some(Base::BodyForm(name.clone().into_bytes())),
        }
    }

    fn json_pointer(&mut self, path: &str, name: &str, key: &Expr) -> Option<String> {
        if is_json_pointer(name.as_bytes()) {
            return Some(name.to_owned());
        }
        let (message, help) = if name.split('/').count() > MAX_JSON_TOKENS + 1 {
            (
                format!("a JSON pointer has at most {MAX_JSON_TOKENS} parts"),
                "name a place that is nested less deep".to_owned(),
            )
        } else if name.starts_with('/') {
            (
                format!(
                    "{} is no JSON pointer: `~` stands only in `~0` and `~1`",
                    quoted(name)
                ),
                "write `~0` for `~`, and `~1` for a `/` in a name".to_owned(),
            )
        } else {
            let pointer = name.trim_start_matches(['$', '#', '.']).replace('.', "/");
            (
                format!("{} is no JSON pointer: those begin with `/`", quoted(name)),
                format!("write `{path}[\"/{}\"]`", pointer.trim_start_matches('/')),
            )
        };
        self.error(Code::InvalidKey, &key.range, message, help)
    }

    fn header_name(&mut self, path: &str, name: &str, key: &Expr) -> Option<String> {
        let (message, help) = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            (
                "header names are in lower case".to_owned(),
                format!("write `{path}[\"{}\"]`", name.to_ascii_lowercase()),
            )
        } else if let Some(pseudo) = name.strip_prefix(':') {
            (
                "pseudo headers are attributes of their own".to_owned(),
                pseudo_header_help(pseudo),
            )
        } else if !is_token(name) {
            (
                format!("{} is no name of a header", quoted(name)),
                "use letters, digits and `-`".to_owned(),
            )
        } else if name == "host" && path == "request.headers" {
            let message =
                "the `host` header never reaches the rules: the proxy turns it into the authority";
            (
                message.to_owned(),
                "write `request.host` or `request.hostname`".to_owned(),
            )
        } else {
            return Some(name.to_owned());
        };
        self.error(Code::InvalidKey, &key.range, message, help)
    }

    /// `request.headers["a"].b`, `request.path.trim().b`: there is nothing to select from a value.
    fn selection_of_value(&mut self, expr: &Expr) -> Option<Typed> {
        let ExprKind::Select(_, Name { text, range }) = &expr.kind else {
            return self.error(
                Code::UnsupportedConstruct,
                &expr.range,
                "this is no attribute",
                "begin with an attribute such as `request.path`",
            );
        };
        let help = if methods().contains(&text.as_str()) {
            format!("write `.{text}()`")
        } else {
            did_you_mean(text, &methods())
        };
        self.error(
            Code::UnknownFunction,
            range,
            format!("a value has no field {}", quoted(text)),
            help,
        )
    }

    /// A name that is no attribute's: that of a counter, or none.
    fn other_name(&mut self, path: &str, range: &Range<usize>) -> Option<Typed> {
        if starts_with_path(path, "counters") {
            return self.counter(path, range);
        }
        if starts_with_path(path, "lists") {
            let message = "a list stands only on the right of `in`";
            return self.error(
                Code::TypeMismatch,
                range,
                message,
                format!("write `request.path in {path}`, with the attribute that you mean"),
            );
        }
        let (code, message, help) = match path
            .rsplit_once('.')
            .and_then(|(map, field)| Some((attribute(map)?, field)))
        {
            Some((
                Spec {
                    name,
                    source: Source::Keyed(kind),
                    ..
                },
                field,
            )) => {
                let key = match kind {
                    KeyKind::Header | KeyKind::ResponseHeader => {
                        field.to_ascii_lowercase().replace('_', "-")
                    }
                    KeyKind::JsonPointer => format!("/{field}"),
                    _ => field.to_owned(),
                };
                (
                    Code::InvalidKey,
                    format!("`{name}` takes its key in brackets"),
                    format!("write `{name}[\"{key}\"]`"),
                )
            }
            Some((Spec { name, .. }, field)) if methods().contains(&field) => (
                Code::UnknownAttribute,
                format!("`.{field}` is a method"),
                format!("write `{name}.{field}()`"),
            ),
            _ => (
                Code::UnknownAttribute,
                format!("there is no attribute {}", quoted(path)),
                suggestion(path, &self.environment.custom),
            ),
        };
        self.error(code, range, message, help)
    }
}

/// The attribute that stands for a pseudo header.
fn pseudo_header_help(name: &str) -> String {
    let attribute = match name {
        "method" => "request.method",
        "path" => "request.path",
        "authority" => "request.host",
        "status" => "response.code",
        "scheme" => "request.scheme",
        _ => return "use the attributes of `request`".to_owned(),
    };
    format!("write `{attribute}`")
}

/// The attribute that was most likely meant: one whose name ends in what was written, or is close to it.
fn suggestion(path: &str, custom: &CustomAttributes) -> String {
    let is_end = |name: &&str| {
        name.strip_suffix(path)
            .is_some_and(|start| start.ends_with('.'))
    };
    let own = || ATTRIBUTES.iter().map(|spec| spec.name);
    let names = || own().chain(custom.keys().map(String::as_str));
    match names().find(is_end).or_else(|| closest(path, names())) {
        Some(name) => format!("did you mean `{name}`?"),
        None if is_body(path) || path.starts_with("request.body.") => {
            body_help(path.strip_prefix("request.body.").unwrap_or_default())
        }
        None => {
            let begin =
                "attributes begin with `request.`, `source.`, `client.`, `connection.` or `auth.`";
            match path.split_once('.') {
                Some((root, _)) if is_root(root) => begin.to_owned(),
                Some(_) => {
                    format!("{begin}; those of a custom filter stand in a file for `--attributes`")
                }
                None => format!("put text into quotes; {begin}"),
            }
        }
    }
}

fn custom(name: String, declared: CustomType, range: &Range<usize>) -> Typed {
    let base = Base::Custom {
        name,
        is_many_valued: declared.is_many_valued,
    };
    let mut typed = typed(base, declared.ty, range);
    typed.attribute.view = match declared.ty {
        Type::Int => View::Int,
        // The filter tells a time in seconds.
        Type::Double | Type::Timestamp => View::Double,
        Type::Ip => View::Address,
        Type::String | Type::Bool => View::Value,
    };
    typed
}

/// Whether a name stands for a body as a whole, which no attribute does.
fn is_body(path: &str) -> bool {
    matches!(path, "request.body" | "body")
}

/// Both ways to read `field` of a body.
fn body_help(field: &str) -> String {
    let field = field.trim_start_matches('/');
    let is_plain = !field.is_empty()
        && field
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let field = if is_plain { field } else { "field" };
    format!(
        "write `request.body.json[\"/{field}\"]` for JSON, or `request.body.form[\"{field}\"]` for a form"
    )
}

pub(super) fn typed(base: Base, ty: Type, range: &Range<usize>) -> Typed {
    Typed {
        attribute: Attribute {
            base,
            transforms: Vec::new(),
            view: View::Value,
        },
        ty,
        range: range.clone(),
    }
}

/// `a.b.c` as one name.
pub(super) fn path(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Ident(name) => Some(name.clone()),
        ExprKind::Select(target, name) => Some(format!("{}.{}", path(target)?, name.text)),
        _ => None,
    }
}

/// Whether a name is `start` or begins with it and a `.`.
fn starts_with_path(path: &str, start: &str) -> bool {
    path.strip_prefix(start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
