//! Lists: their values, and which of them conditions use.

use core::ops::Range;
use std::collections::{BTreeMap, HashMap};

use super::{
    cidr,
    context::Context,
    fields::optional,
    folder::FileText,
    limits::{MAX_LIST_VALUE_LEN, MAX_LIST_VALUES, MAX_LISTS, MAX_REPORTED_VALUES},
    list_file, name,
    text::{did_you_mean, quoted},
    yaml::{Entry, Node},
};
use crate::{
    diagnostic::{Code, Diagnostic, FileId, Span},
    ir::{List, ListValues},
};

const SPLIT_LIST: &str = "spread them over several lists, and join these with `any`";

/// What a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKind {
    Strings,
    Prefixes,
}

/// A list that conditions can name. One with errors is there too, so that its uses are not reported as unknown.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    /// Nothing if its `type` is wrong.
    pub(crate) kind: Option<ListKind>,
    pub(crate) approximate: bool,
    pub(crate) values: Option<ListValues>,
    pub(crate) used: bool,
}

/// The lists of a ruleset.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    pub(crate) definitions: Vec<Definition>,
    by_name: HashMap<String, usize>,
}

/// The texts of list files, by the path that lists give.
pub(crate) type ListFiles = BTreeMap<String, (FileId, FileText)>;

impl Lists {
    /// The index and kind of the list of that name, which is in use from now on.
    pub(crate) fn use_named(&mut self, name: &str) -> Option<(usize, Option<ListKind>)> {
        let index = *self.by_name.get(name)?;
        let list = self.definitions.get_mut(index)?;
        list.used = true;
        Some((index, list.kind))
    }

    /// A remedy for an unknown name.
    pub(crate) fn suggest(&self, name: &str) -> String {
        let names: Vec<&str> = self
            .definitions
            .iter()
            .map(|list| list.name.as_str())
            .collect();
        if names.is_empty() {
            "define it under `lists` in ruleset.yaml".to_owned()
        } else {
            did_you_mean(name, &names)
        }
    }

    /// The lists for the ruleset, if none has errors.
    pub(crate) fn finish(self) -> Option<Vec<List>> {
        let list = |Definition {
                        name,
                        approximate,
                        values,
                        ..
                    }| {
            Some(List {
                name,
                approximate,
                values: values?,
            })
        };
        self.definitions.into_iter().map(list).collect()
    }
}

/// The `lists` of `ruleset.yaml`.
pub(crate) fn read(cx: &mut Context<'_>, node: &Node, files: &ListFiles) -> Lists {
    let entries = cx.entries(node, "`lists`").unwrap_or_default();
    if cx
        .within(
            entries.len(),
            MAX_LISTS,
            "lists",
            &node.range,
            "`lists`",
            "join lists that the same rules use",
        )
        .is_none()
    {
        return Lists::default();
    }
    let definitions: Vec<Definition> = entries.iter().map(|entry| cx.list(entry, files)).collect();
    let by_name = definitions
        .iter()
        .enumerate()
        .map(|(index, list)| (list.name.clone(), index))
        .collect();
    Lists {
        definitions,
        by_name,
    }
}

impl Context<'_> {
    fn list(&mut self, entry: &Entry, files: &ListFiles) -> Definition {
        let Entry {
            key,
            key_range,
            value,
        } = entry;
        let named = self.check_name(key, key_range, &name::LIST);
        let mut list = Definition {
            name: key.clone(),
            name_span: self.span(key_range),
            kind: None,
            approximate: false,
            values: None,
            used: false,
        };
        self.define(&mut list, value, files);
        list.values.take_if(|_| named.is_none());
        list
    }

    /// Reads what the manifest says of a list but its name. A list with errors has no values.
    fn define(&mut self, list: &mut Definition, node: &Node, files: &ListFiles) -> Option<()> {
        let fields = self.fields(node, "a list", &["type", "values", "file", "approximate"])?;
        let kinds = [("string", ListKind::Strings), ("cidr", ListKind::Prefixes)];
        list.kind = fields
            .require("type", self)
            .and_then(|node| self.choice(node, "`type`", &kinds));
        let approximate = optional(fields.get("approximate"), false, |node| {
            self.approximate(node, list.kind)
        });
        let kind = list.kind;
        let values = match (fields.get("values"), fields.get("file")) {
            (Some(values), None) => kind.and_then(|kind| self.inline_values(values, kind)),
            (None, Some(file)) => kind.and_then(|kind| self.file_values(file, kind, files)),
            (None, None) => self.no_values(node, "a list has neither `values` nor `file`"),
            (Some(_), Some(file)) => {
                self.no_values(file, "a list has `values` or `file`, not both")
            }
        };
        list.approximate = approximate?;
        list.values = values;
        Some(())
    }

    fn approximate(&mut self, node: &Node, kind: Option<ListKind>) -> Option<bool> {
        let approximate = self.boolean(node, "`approximate`")?;
        if approximate && kind == Some(ListKind::Prefixes) {
            let message = "a list of type `cidr` cannot be approximate";
            let diagnostic = self.diagnostic(Code::InvalidValue, &node.range, message);
            self.report(diagnostic.help(
                "leave `approximate` out: a million IPv4 prefixes take 3 to 4 MB, each of them exact",
            ));
            return None;
        }
        Some(approximate)
    }

    fn no_values(&mut self, node: &Node, message: &str) -> Option<ListValues> {
        let diagnostic = self.diagnostic(Code::MissingKey, &node.range, message);
        self.report(
            diagnostic.help("write `values: [...]` for a few, `file: lists/name.txt` for many"),
        );
        None
    }

    fn inline_values(&mut self, node: &Node, kind: ListKind) -> Option<ListValues> {
        let items = self.sequence(node, "`values`")?;
        self.within(
            items.len(),
            MAX_LIST_VALUES,
            "values",
            &node.range,
            "a list",
            SPLIT_LIST,
        )?;
        let mut values = Values::new(kind);
        for item in items {
            match self.scalar(item, "a value of a list") {
                Some(scalar) => values.push(self, &scalar.text, &item.range),
                None => values.good = false,
            }
        }
        values.finish()
    }

    fn file_values(
        &mut self,
        node: &Node,
        kind: ListKind,
        files: &ListFiles,
    ) -> Option<ListValues> {
        let path = &self.scalar(node, "`file`")?.text;
        let path_help = "write it like `lists/name.txt`, with `/` between folders";
        let (problem, help) = match files.get(path) {
            _ if !list_file::is_inside(path) => (
                "the path of a list's file is relative and stays inside the ruleset folder",
                path_help,
            ),
            Some((file, FileText::Read(text))) => return self.in_file(*file).lines(text, kind),
            Some((_, FileText::Outside)) => (
                "the file is a link that leads out of the ruleset folder",
                "put a copy into the folder",
            ),
            Some((_, FileText::NoFile)) => (
                "this is a folder, a pipe or a device",
                "put the values into a regular file",
            ),
            Some((_, FileText::Missing)) | None => {
                ("there is no such file in the ruleset folder", path_help)
            }
        };
        let diagnostic = self.diagnostic(Code::ListFile, &node.range, problem);
        self.report(diagnostic.help(help));
        None
    }

    fn lines(&mut self, text: &str, kind: ListKind) -> Option<ListValues> {
        let mut values = Values::new(kind);
        for (count, (range, value)) in list_file::values(text).enumerate() {
            self.within(
                count + 1,
                MAX_LIST_VALUES,
                "values",
                &range,
                "a list",
                SPLIT_LIST,
            )?;
            values.push(self, value, &range);
        }
        values.finish()
    }
}

/// The values of one list while it is read.
struct Values {
    values: ListValues,
    good: bool,
    reported: usize,
}

impl Values {
    fn new(kind: ListKind) -> Self {
        let values = match kind {
            ListKind::Strings => ListValues::Strings(Vec::new()),
            ListKind::Prefixes => ListValues::Prefixes(Vec::new()),
        };
        Self {
            values,
            good: true,
            reported: 0,
        }
    }

    fn push(&mut self, cx: &mut Context<'_>, text: &str, range: &Range<usize>) {
        if self.reported >= MAX_REPORTED_VALUES {
            return;
        }
        let complaint = match &mut self.values {
            _ if text.len() > MAX_LIST_VALUE_LEN => {
                let message = format!("a value of a list has at most {MAX_LIST_VALUE_LEN} bytes");
                let diagnostic = cx.diagnostic(Code::TooLarge, range, message);
                Some(diagnostic.help("leave it out, or test it with `matches(..)`"))
            }
            ListValues::Strings(strings) => {
                strings.push(text.as_bytes().to_vec());
                None
            }
            ListValues::Prefixes(prefixes) => match cidr::parse(text) {
                Ok(prefix) => {
                    prefixes.push(prefix);
                    None
                }
                Err(error) => Some(address_complaint(cx, text, range, &error)),
            },
        };
        if let Some(diagnostic) = complaint {
            cx.report(diagnostic);
            self.good = false;
            self.reported += 1;
        }
    }

    fn finish(mut self) -> Option<ListValues> {
        match &mut self.values {
            ListValues::Strings(strings) => sort_unique(strings),
            ListValues::Prefixes(prefixes) => sort_unique(prefixes),
        }
        self.good.then_some(self.values)
    }
}

/// A text that is neither an address nor a prefix.
pub(crate) fn address_complaint(
    cx: &Context<'_>,
    text: &str,
    range: &Range<usize>,
    error: &cidr::CidrError,
) -> Diagnostic {
    let message = format!("{} is not an IP address or a prefix", quoted(text));
    cx.diagnostic(Code::InvalidAddress, range, message)
        .help(error.to_string())
}

/// As lists and `in` want their values.
pub(crate) fn sort_unique<T: Ord>(values: &mut Vec<T>) {
    values.sort_unstable();
    values.dedup();
}
