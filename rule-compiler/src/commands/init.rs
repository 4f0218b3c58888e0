//! `rulec init`: a ruleset to start from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use riskgate_compiler::schema::Schema;
use riskgate_engine::bundle::is_name;

use super::schema;
use crate::args::InitArgs;
use crate::failure::Failure;
use crate::output::{flush, print_line};
use crate::replace::replace;

/// Where editors find the schemas. It is hidden, so that nobody takes it for a part of the ruleset.
const SCHEMAS: &str = ".schemas";

/// A file of the ruleset.
struct Template {
    path: &'static str,
    schema: Schema,
    text: &'static str,
}

const TEMPLATES: [Template; 3] = [
    Template {
        path: "ruleset.yaml",
        schema: Schema::Ruleset,
        text: include_str!("../../../testdata/rulesets/starter/ruleset.yaml"),
    },
    Template {
        path: "first.rules.yaml",
        schema: Schema::Rules,
        text: include_str!("../../../testdata/rulesets/starter/first.rules.yaml"),
    },
    Template {
        path: "tests/first.test.yaml",
        schema: Schema::Tests,
        text: include_str!("../../../testdata/rulesets/starter/tests/first.test.yaml"),
    },
];

pub(crate) fn run(args: &InitArgs) -> Result<(), Failure> {
    let folder = &args.folder;
    let name = name(args)?;
    refuse_a_used_one(folder)?;
    for template in TEMPLATES {
        write(folder, &template, &name)?;
    }
    schema::write_all(&folder.join(SCHEMAS))?;
    let mut out = io::stdout().lock();
    print_line(&mut out, next_steps(folder, &name).trim_end())?;
    flush(&mut out)
}

fn name(args: &InitArgs) -> Result<String, Failure> {
    if let Some(name) = &args.name {
        if is_name(name) {
            return Ok(name.clone());
        }
        return Err(Failure::unable(format!(
            "name `{name}` is not 1 to 63 of a-z, 0-9 and -"
        )));
    }
    let own = args.folder.file_name().map(ToOwned::to_owned);
    let own = own.or_else(|| Some(args.folder.canonicalize().ok()?.file_name()?.to_owned()));
    let own = own
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    let fitting = own.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let fitting = fitting.trim_matches('-');
    match is_name(fitting) {
        true => Ok(fitting.to_owned()),
        false => Err(Failure::unable(
            "the folder's name makes no name of a ruleset; give one with `--name`",
        )),
    }
}

/// Nothing is written over, and no file that happens to lie there becomes a part of the ruleset.
fn refuse_a_used_one(folder: &Path) -> Result<(), Failure> {
    let is_used = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => {
            return Err(Failure::unable(format!(
                "cannot use {} as a folder: {error}",
                folder.display()
            )));
        }
    };
    match is_used {
        true => Err(Failure::unable(format!(
            "{} is not empty; give a new folder",
            folder.display()
        ))),
        false => Ok(()),
    }
}

fn write(folder: &Path, template: &Template, name: &str) -> Result<(), Failure> {
    let path = folder.join(template.path);
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(|error| {
        Failure::unable(format!(
            "cannot make the folder {}: {error}",
            parent.display()
        ))
    })?;
    let up = "../".repeat(template.path.matches('/').count());
    let file = template.schema.file_name();
    let header = format!("# yaml-language-server: $schema={up}{SCHEMAS}/{file}\n");
    let text = template
        .text
        .replace("\nruleset: starter\n", &format!("\nruleset: {name}\n"));
    replace(&path, (header + &text).as_bytes())
}

fn next_steps(folder: &Path, name: &str) -> String {
    let shown = shell_word(folder);
    let mut bundle = PathBuf::from(name);
    bundle.set_extension("bundle");
    let bundle = bundle.display();
    format!(
        "ruleset `{name}` is in {shown}: {}\n\
         Read first.rules.yaml, change it, and then:\n\
         \n\
         rulec check {shown}\n\
         rulec test {shown}\n\
         rulec keygen --out signer.pem\n\
         rulec build {shown} --revision 1 --key signer.pem -o {bundle}\n",
        TEMPLATES.map(|template| template.path).join(", "),
    )
}

/// A path that can be pasted into a shell.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%".contains(c);
    if text.chars().all(is_plain) && !text.starts_with('-') {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
