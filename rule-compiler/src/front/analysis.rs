//! From the files of a ruleset to the ruleset.

use std::collections::BTreeMap;

use super::{
    context::Context,
    counter, custom,
    environment::Environment,
    folder::{FileText, Stray},
    limits::MAX_RULES,
    lint,
    list::{self, ListFiles, Lists},
    manifest::{self, Manifest, Named},
    rule::{AtomPlace, Scope},
    sources::{MANIFEST, Sources},
    yaml,
};
use crate::{
    diagnostic::{
        self, Code, Diagnostic, Diagnostics, FileId, Findings, SourceMap, Span, Suppressed,
    },
    ir,
};

/// What there is to say about a ruleset.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The ruleset; nothing if there is any error.
    pub ruleset: Option<ir::Ruleset>,
    /// By file and position; of errors and of warnings the first thousand.
    pub diagnostics: Vec<Diagnostic>,
    /// Warnings that the author has answered, the first thousand.
    pub suppressed: Vec<Suppressed>,
    /// How many of them there were.
    pub suppressed_count: usize,
    /// How many more errors there were.
    pub omitted_errors: usize,
    /// How many more warnings there were.
    pub omitted_warnings: usize,
    /// The files that the diagnostics point into.
    pub sources: SourceMap,
}

impl Analysis {
    /// Takes warnings of these codes for errors. The ruleset stays: nothing is wrong with it that would stop a build.
    pub fn deny(&mut self, is_denied: impl Fn(Code) -> bool) {
        for diagnostic in &mut self.diagnostics {
            diagnostic.denied = !diagnostic.is_error() && is_denied(diagnostic.code);
        }
    }

    /// The diagnostics as text; without `color` fit for logs.
    pub fn report(&self, color: bool) -> String {
        let omitted = self.omitted_errors + self.omitted_warnings;
        diagnostic::render_counted(&self.diagnostics, omitted, &self.sources, color)
    }
}

/// Analyses a whole ruleset and reports everything that is wrong with it.
///
/// What depends on the time is left out; [`analyse_at`] has that too.
pub fn analyse(sources: &Sources) -> Analysis {
    analyse_when(sources, None)
}

/// The same at a time, in microseconds since the Unix epoch: with warnings of what is over for good.
pub fn analyse_at(sources: &Sources, now_us: i64) -> Analysis {
    analyse_when(sources, Some(now_us))
}

fn analyse_when(sources: &Sources, now_us: Option<i64>) -> Analysis {
    let files = Files::new(sources);
    let mut diagnostics = Diagnostics::default();
    let (manifest, environment) = read_manifest(&files, &mut diagnostics);
    let mut scope = Scope::new(environment, now_us);
    report_strays(&files, &mut diagnostics);
    let rules = read_rules(&files, &mut scope, &mut diagnostics);
    let complete = !diagnostics.has_errors();
    if complete {
        lint::no_rules(files.manifest, &rules, &mut diagnostics);
        lint::unused_lists(&scope.environment.lists, &mut diagnostics);
        lint::unused_counters(&scope.environment.counters, &mut diagnostics);
        let bands = manifest.as_ref().map(|manifest| &manifest.band_places[..]);
        lint::bands(bands.unwrap_or_default(), &rules, &mut diagnostics);
        lint::overruled(&rules, &scope.places(&rules), &mut diagnostics);
        lint::unused_suppressions(now_us.is_some(), &mut diagnostics);
    }
    let ruleset = manifest
        .filter(|_| complete)
        .and_then(|manifest| ruleset(manifest, scope.environment, rules));
    let Findings {
        diagnostics,
        suppressed,
        suppressed_count,
        omitted_errors,
        omitted_warnings,
    } = diagnostics.finish();
    Analysis {
        ruleset,
        diagnostics,
        suppressed,
        suppressed_count,
        omitted_errors,
        omitted_warnings,
        sources: files.sources,
    }
}

fn ruleset(
    manifest: Manifest,
    environment: Environment,
    rules: Vec<ir::Rule>,
) -> Option<ir::Ruleset> {
    let Manifest {
        name,
        ttl_s,
        on_expired,
        default,
        bands,
        band_places: _,
    } = manifest;
    Some(ir::Ruleset {
        name,
        ttl_s,
        on_expired,
        default,
        bands,
        lists: environment.lists.finish()?,
        counters: environment.counters.finish()?,
        rules,
        custom_attributes: environment.custom.into_keys().collect(),
    })
}

/// For each rule of a ruleset without errors the places of its atoms, in the order of
/// [`Condition::atoms`](ir::Condition::atoms). To work them out takes a walk over every condition, which compiling spares.
pub fn atom_places(sources: &Sources) -> Vec<Vec<AtomPlace>> {
    let files = Files::new(sources);
    let mut diagnostics = Diagnostics::default();
    let (_, environment) = read_manifest(&files, &mut diagnostics);
    let mut scope = Scope::new(environment, None);
    scope.atom_places = Some(Vec::new());
    read_rules(&files, &mut scope, &mut diagnostics);
    scope.atom_places.unwrap_or_default()
}

/// The files by their part in the ruleset.
struct Files {
    sources: SourceMap,
    manifest: FileId,
    rules: Vec<FileId>,
    lists: ListFiles,
    attributes: Option<FileId>,
    strays: Vec<(FileId, Stray)>,
}

impl Files {
    fn new(sources: &Sources) -> Self {
        let mut map = SourceMap::default();
        let manifest = map.add(MANIFEST, sources.manifest.clone());
        let rules = sources
            .rules
            .iter()
            .map(|(name, text)| map.add(name, text.clone()))
            .collect();
        let lists = sources.lists.iter().map(|(path, list)| {
            let text = match list {
                FileText::Read(text) => text.clone(),
                FileText::Missing | FileText::Outside | FileText::NoFile => "".into(),
            };
            (path.clone(), (map.add(path, text), list.clone()))
        });
        let lists: BTreeMap<_, _> = lists.collect();
        let attributes = sources.attributes.as_ref();
        let attributes = attributes.map(|(name, text)| map.add(name, text.clone()));
        let strays = sources.strays.iter();
        let strays = strays.map(|stray| (map.add(&stray.name, ""), stray.clone()));
        let strays = strays.collect();
        Self {
            sources: map,
            manifest,
            rules,
            lists,
            attributes,
            strays,
        }
    }
}

/// A rule that is not read protects nobody.
fn report_strays(files: &Files, diagnostics: &mut Diagnostics) {
    for (file, stray) in &files.strays {
        let help = match stray.is_misplaced {
            true => "put rule files beside `ruleset.yaml`, and a folder in place of a link to one",
            false => {
                "name it `X.rules.yaml` if it holds rules, and move it out of the folder if not"
            }
        };
        let span = Span::new(*file, 0..0);
        diagnostics
            .push(Diagnostic::new(Code::StrayFile, span, "this file is not read").help(help));
    }
}

fn read_manifest(files: &Files, diagnostics: &mut Diagnostics) -> (Option<Manifest>, Environment) {
    let custom = files.attributes.map(|file| {
        let mut cx = Context::new(&files.sources, file, diagnostics);
        let root = document(&mut cx, "`attributes: []`");
        root.and_then(|root| custom::read(&mut cx, &root))
    });
    let mut cx = Context::new(&files.sources, files.manifest, diagnostics);
    let Some(root) = document(&mut cx, "`language: 1` and `ruleset: name`") else {
        return (None, Environment::default());
    };
    let (manifest, Named { lists, counters }) = manifest::read(&mut cx, &root);
    let lists = lists.map_or_else(Lists::default, |node| {
        list::read(&mut cx, node, &files.lists)
    });
    let mut environment = Environment::new(lists);
    environment.custom = custom.flatten().unwrap_or_default();
    if let Some(node) = counters {
        counter::read(&mut cx, node, &mut environment);
    }
    (manifest, environment)
}

fn read_rules(files: &Files, scope: &mut Scope, diagnostics: &mut Diagnostics) -> Vec<ir::Rule> {
    let mut rules = Vec::new();
    for &file in &files.rules {
        let mut cx = Context::new(&files.sources, file, diagnostics);
        read_rule_file(&mut cx, scope, &mut rules);
    }
    rules
}

fn read_rule_file(
    cx: &mut Context<'_>,
    scope: &mut Scope,
    rules: &mut Vec<ir::Rule>,
) -> Option<()> {
    let root = document(cx, "`rules: []`")?;
    let fields = cx.fields(&root, "a rule file", &["rules"])?;
    let node = fields.require("rules", cx)?;
    let items = cx.sequence(node, "`rules`")?;
    cx.within(
        rules.len() + items.len(),
        MAX_RULES,
        "rules",
        &node.range,
        "a ruleset",
        "join rules that do the same with `any`, or with a list",
    )?;
    for item in items {
        rules.extend(cx.rule(item, scope));
    }
    Some(())
}

/// The root of a file that must have one.
fn document(cx: &mut Context<'_>, example: &str) -> Option<yaml::Node> {
    let before = cx.diagnostics.count();
    let root = yaml::parse(cx.file, cx.text, cx.diagnostics).filter(|root| !root.is_null());
    if root.is_none() && cx.diagnostics.count() == before {
        let diagnostic = Diagnostic::new(
            Code::MissingKey,
            Span::new(cx.file, 0..0),
            "the file is empty",
        );
        cx.report(diagnostic.help(format!("write at least {example}, or delete the file")));
    }
    root
}
