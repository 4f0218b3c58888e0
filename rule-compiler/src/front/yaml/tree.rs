//! From text to a tree of nodes, refusing what rulesets may not hold: tags, anchors, aliases, merge keys, duplicate
//! keys and further documents.

use core::{mem, ops::Range};
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError};

use super::{
    node::{Entry, Kind, Node, Scalar, Style},
    slip::syntax_help,
};
use crate::{
    diagnostic::{Code, Diagnostic, Diagnostics, FileId, Span},
    front::{limits::MAX_YAML_DEPTH, text::quoted},
};

/// The root of the only document of `text`, if it has one that could be parsed, with everything to complain about.
pub(crate) fn parse(file: FileId, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        flow_nesting_limit: MAX_YAML_DEPTH,
        block_nesting_limit: MAX_YAML_DEPTH,
    };
    options.set_emit_comments(false);
    let mut builder = Builder {
        file,
        text,
        diagnostics,
        open: Vec::new(),
        root: None,
        documents: 0,
        tagged: false,
    };
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => {
                builder.syntax_error(&error);
                return None;
            }
        }
        if builder.documents > 1 {
            return None;
        }
    }
    builder.root
}

struct Builder<'a> {
    file: FileId,
    text: &'a str,
    diagnostics: &'a mut Diagnostics,
    open: Vec<Open>,
    root: Option<Node>,
    documents: u32,
    /// The last node had a tag: what follows it on its line is not to be taken at its word.
    tagged: bool,
}

/// A collection whose end has not come yet.
struct Open {
    start: usize,
    tagged: bool,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        keys: HashMap<String, Range<usize>>,
        key: PendingKey,
    },
}

impl Content {
    fn empty_mapping() -> Self {
        Self::Mapping {
            entries: Vec::new(),
            keys: HashMap::new(),
            key: PendingKey::None,
        }
    }
}

enum PendingKey {
    None,
    Read(String, Range<usize>),
    /// It was refused; its value goes with it.
    Refused,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: &granit_parser::Span) {
        let range = self.range(span);
        match event {
            Event::DocumentStart(..) => self.document(range),
            Event::Scalar(text, style, _, tag) => {
                let refused = self.tag(tag.is_some(), span);
                let scalar = Scalar {
                    text: text.into_owned(),
                    style: style_of(style),
                };
                self.attach(Node {
                    range: self.content(range, &scalar),
                    kind: if refused {
                        Kind::Refused
                    } else {
                        Kind::Scalar(scalar)
                    },
                });
            }
            Event::SequenceStart(_, _, tag) => {
                let tagged = self.tag(tag.is_some(), span);
                self.open.push(Open {
                    start: range.start,
                    tagged,
                    content: Content::Sequence(Vec::new()),
                });
            }
            Event::MappingStart(_, _, tag) => {
                let tagged = self.tag(tag.is_some(), span);
                self.open.push(Open {
                    start: range.start,
                    tagged,
                    content: Content::empty_mapping(),
                });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(range.end),
            Event::Anchor(..) if self.tagged => {}
            Event::Anchor(..) => self.reference(range, "anchors are not part of the language"),
            Event::Alias(_) | Event::UnresolvedAlias(_) => self.alias(range),
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            _ => self.unknown_event(range),
        }
    }

    fn alias(&mut self, range: Range<usize>) {
        self.reference(range.clone(), "aliases are not part of the language");
        self.attach(Node {
            range,
            kind: Kind::Refused,
        });
    }

    /// The parser may learn new events; what they stand for is not part of the language.
    fn unknown_event(&mut self, range: Range<usize>) {
        let message = "this YAML construct is not part of the language";
        self.report(Diagnostic::new(
            Code::YamlSyntax,
            self.span(range.clone()),
            message,
        ));
        self.attach(Node {
            range,
            kind: Kind::Refused,
        });
    }

    fn range(&self, span: &granit_parser::Span) -> Range<usize> {
        let start = span.start.byte_offset().unwrap_or(0).min(self.text.len());
        let end = span.end.byte_offset().unwrap_or(start).min(self.text.len());
        start..end.max(start)
    }

    /// The bytes of a scalar; the parser gives those of the `|` or `>` line too if nothing comes after it.
    fn content(&self, range: Range<usize>, scalar: &Scalar) -> Range<usize> {
        let block = self.text.get(range.start..).unwrap_or("");
        let is_empty = scalar.text.chars().all(|character| character == '\n');
        if scalar.style != Style::Block || !is_empty || !block.starts_with(['|', '>']) {
            return range;
        }
        let header = block.find('\n').map_or(block.len(), |newline| newline + 1);
        let start = range.start + header;
        start..range.end.max(start)
    }

    fn document(&mut self, range: Range<usize>) {
        self.documents += 1;
        if self.documents > 1 {
            self.report(
                Diagnostic::new(
                    Code::SeveralDocuments,
                    self.span(range),
                    "a file holds one YAML document",
                )
                .label("a second one starts here")
                .help("put each document into a file of its own"),
            );
        }
    }

    fn tag(&mut self, tagged: bool, span: &granit_parser::Span) -> bool {
        self.tagged = tagged;
        if tagged {
            let range = span
                .tag_span()
                .map_or_else(|| self.range(span), |tag| self.range(&tag));
            self.refuse_tag(range);
        }
        tagged
    }

    fn refuse_tag(&mut self, range: Range<usize>) {
        let diagnostic = Diagnostic::new(
            Code::YamlTag,
            self.span(range),
            "a plain value that starts with `!` is a YAML tag, not a negation",
        )
        .label("YAML takes this for a tag")
        .help("quote the whole value: `'!...'`, or use `not:`");
        self.report(diagnostic);
    }

    fn reference(&mut self, range: Range<usize>, message: &str) {
        let diagnostic = Diagnostic::new(Code::YamlReference, self.span(range), message)
            .help("write the value here; quote it if it is meant to start with this character");
        self.report(diagnostic);
    }

    fn close(&mut self, end: usize) {
        let Some(Open {
            start,
            tagged,
            content,
        }) = self.open.pop()
        else {
            return;
        };
        let kind = match content {
            _ if tagged => Kind::Refused,
            Content::Sequence(items) => Kind::Sequence(items),
            Content::Mapping { entries, .. } => Kind::Mapping(entries),
        };
        self.attach(Node {
            range: start..end.max(start),
            kind,
        });
    }

    fn attach(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open {
                content: Content::Sequence(items),
                ..
            }) => items.push(node),
            Some(Open {
                content: Content::Mapping { entries, key, .. },
                ..
            }) => match mem::replace(key, PendingKey::None) {
                PendingKey::None => self.attach_key(node),
                PendingKey::Refused => {}
                PendingKey::Read(key, key_range) => entries.push(Entry {
                    key,
                    key_range,
                    value: node,
                }),
            },
        }
    }

    fn attach_key(&mut self, node: Node) {
        let read = self.read_key(node);
        if let Some(Open {
            content: Content::Mapping { keys, key, .. },
            ..
        }) = self.open.last_mut()
        {
            if let PendingKey::Read(name, range) = &read {
                keys.insert(name.clone(), range.clone());
            }
            *key = read;
        }
    }

    fn read_key(&mut self, node: Node) -> PendingKey {
        let Node { range, kind } = node;
        let scalar = match kind {
            Kind::Scalar(scalar) => scalar,
            Kind::Refused => return PendingKey::Refused,
            Kind::Sequence(_) | Kind::Mapping(_) => {
                self.report(
                    Diagnostic::new(Code::WrongShape, self.span(range), "a key is a single word")
                        .help("quote a text that starts with `[` or `{`"),
                );
                return PendingKey::Refused;
            }
        };
        if scalar.text == "<<" && scalar.style == Style::Plain {
            self.reference(range, "merge keys are not part of the language");
            return PendingKey::Refused;
        }
        if let Some(first) = self.first_use(&scalar.text) {
            let message = format!("the key {} stands twice in this map", quoted(&scalar.text));
            let diagnostic = Diagnostic::new(Code::DuplicateKey, self.span(range), message)
                .related(self.span(first), "first here")
                .help("delete one of them");
            self.report(diagnostic);
            return PendingKey::Refused;
        }
        PendingKey::Read(scalar.text, range)
    }

    fn first_use(&self, key: &str) -> Option<Range<usize>> {
        match &self.open.last()?.content {
            Content::Mapping { keys, .. } => keys.get(key).cloned(),
            Content::Sequence(_) => None,
        }
    }

    fn syntax_error(&mut self, error: &ScanError) {
        let offset = error
            .marker()
            .byte_offset()
            .unwrap_or(0)
            .min(self.text.len());
        if let Some(tag) = tag_before(self.text, offset) {
            return self.refuse_tag(tag);
        }
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            let message = format!("lists and maps are nested deeper than {MAX_YAML_DEPTH}");
            let diagnostic =
                Diagnostic::new(Code::TooLarge, self.span(offset..offset + 1), message);
            return self.report(
                diagnostic.help("nothing in a ruleset needs such depth: take brackets out"),
            );
        }
        let message = error.info().to_lowercase();
        let span = self.span(offset..offset + 1);
        let help = syntax_help(self.text, offset, &message);
        self.report(Diagnostic::new(Code::YamlSyntax, span, message).help(help));
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.file, range)
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

/// A plain value with a leading `!` on the line of a syntax error: most likely a condition without quotes.
fn tag_before(text: &str, offset: usize) -> Option<Range<usize>> {
    let start = text
        .get(..offset)?
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let end = text
        .get(offset..)?
        .find('\n')
        .map_or(text.len(), |newline| offset + newline);
    let line = text.get(start..end)?;
    let bang = [": !", "- !", "[!", ", !"]
        .iter()
        .filter_map(|lead| Some(line.find(lead)? + lead.len() - 1))
        .min()?;
    let length = line.get(bang..)?.find(' ').unwrap_or(line.len() - bang);
    Some(start + bang..start + bang + length)
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}
