//! `a in [..]` and `a in lists.name`.

use super::{
    Checker,
    attribute::path,
    scope::{Source, Spec, Type, Typed, attribute},
};
use crate::{
    diagnostic::Code,
    front::{
        cel::{Expr, ExprKind, Name},
        cidr,
        limits::MAX_INLINE_ELEMENTS,
        list::{ListKind, sort_unique},
        text::quoted,
    },
    ir::{Comparison, Condition, Number, Prefix, Test},
};

impl Checker<'_, '_, '_> {
    /// `left in right`.
    pub(super) fn membership(&mut self, left: &Expr, right: &Expr) -> Option<Condition> {
        if left.is_literal() {
            return self.constant_in(left, right);
        }
        let value = self.value(left);
        match &right.kind {
            ExprKind::List(elements) => {
                let value = value?;
                self.in_elements(&value, elements, right)
            }
            ExprKind::Select(target, name)
                if target.kind == ExprKind::Ident("lists".to_owned()) =>
            {
                self.in_list(value, name)
            }
            _ => {
                let message = "the right side of `in` is a list";
                self.error(
                    Code::TypeMismatch,
                    &right.range,
                    message,
                    "write `in [\"a\", \"b\"]` or `in lists.name`",
                )
            }
        }
    }

    /// `"x" in request.headers` asks for a key in CEL.
    fn constant_in<T>(&mut self, left: &Expr, right: &Expr) -> Option<T> {
        let key = self.written(&left.range);
        let help = match path(right) {
            Some(map)
                if matches!(
                    attribute(&map),
                    Some(Spec {
                        source: Source::Keyed(_),
                        ..
                    })
                ) =>
            {
                format!("write `has({map}[{key}])` to ask for the presence of a key")
            }
            Some(name) if attribute(&name).is_some() => {
                format!("write `{name}.contains({key})` to search in a string")
            }
            _ => "put the attribute on the left: `request.method in [\"PUT\", \"DELETE\"]`"
                .to_owned(),
        };
        self.error(
            Code::ConstantOnLeft,
            &left.range,
            "a constant cannot stand on the left of `in`",
            help,
        )
    }

    fn in_list(&mut self, value: Option<Typed>, name: &Name) -> Option<Condition> {
        let Some((index, kind)) = self.environment.lists.use_named(&name.text) else {
            let help = self.environment.lists.suggest(&name.text);
            return self.error(
                Code::UnknownList,
                &name.range,
                format!("there is no list {}", quoted(&name.text)),
                help,
            );
        };
        let (value, kind) = value.zip(kind)?;
        let holds = match kind {
            ListKind::Strings => Type::String,
            ListKind::Prefixes => Type::Ip,
        };
        if value.ty != holds {
            let written = self.written(&value.range);
            let (element, list_type) = match kind {
                ListKind::Strings => ("strings", "string"),
                ListKind::Prefixes => ("IP prefixes", "cidr"),
            };
            let message = format!(
                "`{written}` is {}, and `lists.{}` holds {element}",
                value.ty.name(),
                name.text
            );
            let help = match value.ty {
                Type::String => "use a list of `type: string`".to_owned(),
                Type::Ip => "use a list of `type: cidr`".to_owned(),
                _ => format!("a list of `type: {list_type}` takes {} only", holds.name()),
            };
            return self.error(Code::TypeMismatch, &value.range, message, help);
        }
        Some(self.atom(&value, Test::InList(index)))
    }

    fn in_elements(&mut self, value: &Typed, elements: &[Expr], list: &Expr) -> Option<Condition> {
        if elements.is_empty() {
            return self.error(
                Code::InvalidArgument,
                &list.range,
                "the list is empty",
                "add a value, or write `false`",
            );
        }
        if elements.len() > MAX_INLINE_ELEMENTS {
            let message =
                format!("a list in a condition has at most {MAX_INLINE_ELEMENTS} elements");
            return self.error(
                Code::TooLarge,
                &list.range,
                message,
                "define it under `lists` in ruleset.yaml and write `in lists.name`",
            );
        }
        match value.ty {
            Type::String => self.in_strings(value, elements),
            Type::Ip => self.in_prefixes(value, elements),
            Type::Int | Type::Double => self.in_numbers(value, elements),
            Type::Bool | Type::Timestamp => {
                let written = self.written(&value.range);
                let message = format!(
                    "`in` does not take {}, which `{written}` is",
                    value.ty.name()
                );
                self.error(
                    Code::TypeMismatch,
                    &value.range,
                    message,
                    "compare it with `==` or `<`",
                )
            }
        }
    }

    fn in_strings(&mut self, value: &Typed, elements: &[Expr]) -> Option<Condition> {
        let strings: Vec<_> = elements
            .iter()
            .map(|element| Some(self.string_element(value, element)?.as_bytes().to_vec()))
            .collect();
        let mut strings: Vec<Vec<u8>> = strings.into_iter().collect::<Option<_>>()?;
        sort_unique(&mut strings);
        Some(self.atom(value, Test::OneOf(strings)))
    }

    fn in_prefixes(&mut self, value: &Typed, elements: &[Expr]) -> Option<Condition> {
        let prefixes: Vec<_> = elements
            .iter()
            .map(|element| self.prefix_element(value, element))
            .collect();
        let mut prefixes: Vec<Prefix> = prefixes.into_iter().collect::<Option<_>>()?;
        sort_unique(&mut prefixes);
        Some(self.atom(value, Test::InPrefixes(prefixes)))
    }

    fn prefix_element(&mut self, value: &Typed, element: &Expr) -> Option<Prefix> {
        let text = self.string_element(value, element)?;
        match cidr::parse(text) {
            Ok(prefix) => Some(prefix),
            Err(error) => {
                let message = format!("{} is not an IP address or a prefix", quoted(text));
                self.error(
                    Code::InvalidAddress,
                    &element.range,
                    message,
                    error.to_string(),
                )
            }
        }
    }

    fn string_element<'e>(&mut self, value: &Typed, element: &'e Expr) -> Option<&'e str> {
        match &element.kind {
            ExprKind::String(text) => Some(text),
            _ => self.wrong_element(value, element, "put each element into quotes"),
        }
    }

    fn in_numbers(&mut self, value: &Typed, elements: &[Expr]) -> Option<Condition> {
        let numbers: Vec<_> = elements
            .iter()
            .map(|element| self.number_element(value, element))
            .collect();
        let numbers: Vec<Number> = numbers.into_iter().collect::<Option<_>>()?;
        let mut equal: Vec<Condition> = numbers
            .into_iter()
            .map(|number| self.atom(value, Test::Compare(Comparison::Equal, number)))
            .collect();
        if equal.len() == 1 {
            equal.pop()
        } else {
            Some(Condition::Any(equal))
        }
    }

    fn number_element(&mut self, value: &Typed, element: &Expr) -> Option<Number> {
        match element.kind {
            ExprKind::Int(number) => Some(Number::Int(number)),
            ExprKind::Double(number) => Some(Number::Double(number)),
            _ => self.wrong_element(value, element, "write numbers without quotes"),
        }
    }

    fn wrong_element<T>(&mut self, value: &Typed, element: &Expr, help: &str) -> Option<T> {
        let written = self.written(&value.range);
        let message = format!(
            "`{written}` is {}, and this element is not one that it can be",
            value.ty.name()
        );
        self.error(Code::TypeMismatch, &element.range, message, help)
    }
}
