//! Files for `--attributes`: what a custom filter knows of requests.

use std::collections::BTreeMap;

use super::{
    check::{Type, is_root},
    context::Context,
    name,
    text::quoted,
    yaml::Node,
};
use crate::diagnostic::Code;

/// What a custom attribute was declared as.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CustomType {
    pub(crate) ty: Type,
    pub(crate) is_many_valued: bool,
}

/// The declared ones by their names.
pub(crate) type CustomAttributes = BTreeMap<String, CustomType>;

/// What the root of such a file declares; what is wrong with one attribute takes away no other.
pub(crate) fn read(cx: &mut Context<'_>, root: &Node) -> Option<CustomAttributes> {
    let fields = cx.fields(root, "a file of attributes", &["attributes"])?;
    let node = fields.require("attributes", cx)?;
    let mut declared = CustomAttributes::new();
    for item in cx.sequence(node, "`attributes`")? {
        cx.custom_attribute(item, &mut declared);
    }
    Some(declared)
}

impl Context<'_> {
    fn custom_attribute(&mut self, node: &Node, declared: &mut CustomAttributes) -> Option<()> {
        let fields = self.fields(node, "a custom attribute", &["name", "type"])?;
        let name_node = fields.require("name", self);
        let ty = fields
            .require("type", self)
            .and_then(|node| self.custom_type(node));
        let name_node = name_node?;
        let name = self.custom_name(name_node)?;
        if declared.contains_key(&name) {
            let message = format!("{} is declared twice", quoted(&name));
            return self.taken(name_node, message, "delete one of them");
        }
        declared.insert(name, ty?);
        Some(())
    }

    fn custom_name(&mut self, node: &Node) -> Option<String> {
        let name = self.name(node, &name::ATTRIBUTE)?;
        let root = name.split('.').next().unwrap_or_default();
        if is_root(root) {
            let message = format!("names that begin with `{root}` belong to the language");
            return self.taken(node, message, "begin with another word, such as `device.`");
        }
        let is_identifier = |part: &str| {
            !part.is_empty()
                && !part.starts_with(|first: char| first.is_ascii_digit())
                && !matches!(part, "true" | "false" | "null" | "in")
        };
        if name.contains('.') && name.split('.').all(is_identifier) {
            return Some(name);
        }
        let message = format!("a custom attribute's name cannot be {}", quoted(&name));
        let help = "join two or more identifiers with dots: `device.risk_score`";
        self.report(
            self.diagnostic(Code::InvalidName, &node.range, message)
                .help(help),
        );
        None
    }

    fn taken<T>(&mut self, node: &Node, message: String, help: &str) -> Option<T> {
        self.report(
            self.diagnostic(Code::TakenAttribute, &node.range, message)
                .help(help),
        );
        None
    }

    fn custom_type(&mut self, node: &Node) -> Option<CustomType> {
        let text = &self.scalar(node, "`type`")?.text;
        let ty = match text.as_str() {
            "string" | "strings" => Type::String,
            "int" => Type::Int,
            "double" => Type::Double,
            "bool" => Type::Bool,
            "ip" => Type::Ip,
            "timestamp" => Type::Timestamp,
            _ => {
                let message = format!("a custom attribute cannot be of type {}", quoted(text));
                let help = "use `string`, `strings`, `int`, `double`, `bool`, `ip` or `timestamp`";
                self.report(
                    self.diagnostic(Code::AttributeType, &node.range, message)
                        .help(help),
                );
                return None;
            }
        };
        Some(CustomType {
            ty,
            is_many_valued: text == "strings",
        })
    }
}
