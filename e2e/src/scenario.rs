//! A bootstrap of `envoy-config/` with its words filled in.

use std::{collections::BTreeMap, fs, sync::Arc};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{locate, rulec::Bundle};

/// One of the folders of `envoy-config/`, and a value for each `${WORD}` of its bootstrap.
#[derive(Clone)]
pub struct Scenario {
    name: String,
    values: BTreeMap<String, String>,
    edits: Vec<Edit>,
}

/// A change to the text of a bootstrap.
type Edit = Arc<dyn Fn(&str) -> String>;

impl Scenario {
    /// The scenario of this folder, with nothing filled in yet.
    pub fn new(name: &str) -> Self {
        Scenario {
            name: name.to_owned(),
            values: BTreeMap::new(),
            edits: Vec::new(),
        }
    }

    /// Gives a word its value; the last one stands.
    #[must_use]
    pub fn set(mut self, word: &str, value: impl ToString) -> Self {
        self.values.insert(word.to_owned(), value.to_string());
        self
    }

    /// Changes the bootstrap once it is filled in: for what no word stands for.
    #[must_use]
    pub fn edit(mut self, edit: impl Fn(&str) -> String + 'static) -> Self {
        self.edits.push(Arc::new(edit));
        self
    }

    /// Gives `BUNDLE` the content of a bundle file.
    pub fn bundle(self, bundle: &Bundle) -> Result<Self> {
        Ok(self.set("BUNDLE", STANDARD.encode(bundle.read()?)))
    }

    /// Adds a bundle to the filter's configuration, beside the push service of the scenario `stream`: what serves until that
    /// brings a newer one.
    #[must_use]
    pub fn boot_bundle(self, bundle: &[u8]) -> Self {
        let last = "\"client_ip\": \"peer\"";
        let more = format!("{last}, \"bundle\": \"{}\"", STANDARD.encode(bundle));
        self.edit(move |text| text.replace(last, &more))
    }

    /// Lets Envoy ask every second whether the push service is still there, not every 30.
    #[must_use]
    pub fn impatient(self) -> Self {
        let (seldom, often) = ("interval: 30s, timeout: 5s", "interval: 1s, timeout: 1s");
        self.edit(move |text| text.replace(seldom, often))
    }

    /// Another file of the folder. Edits are of the bootstrap alone.
    pub fn file(&self, name: &str) -> Result<String> {
        let path = locate::root()
            .join("envoy-config")
            .join(&self.name)
            .join(name);
        let template =
            fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        fill_in(&template, &self.values).with_context(|| format!("fill in {}", path.display()))
    }

    /// The bootstrap. A word without a value is an error; a value that no word asks for is not.
    pub(crate) fn render(&self) -> Result<String> {
        let filled = self.file("envoy.yaml")?;
        Ok(self.edits.iter().fold(filled, |text, edit| edit(&text)))
    }
}

fn fill_in(template: &str, values: &BTreeMap<String, String>) -> Result<String> {
    let mut filled = String::with_capacity(template.len());
    for line in template.lines() {
        // A comment may speak of words without being one.
        if line.trim_start().starts_with('#') {
            continue;
        }
        fill_in_line(line, values, &mut filled)?;
        filled.push('\n');
    }
    Ok(filled)
}

fn fill_in_line(line: &str, values: &BTreeMap<String, String>, filled: &mut String) -> Result<()> {
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((word, after)) = after.split_once('}') else {
            bail!("`${{` without `}}`: {line}");
        };
        let value = values
            .get(word)
            .with_context(|| format!("no value for `{word}`"))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_needs_a_value() {
        let values = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        assert_eq!(
            fill_in("# ${B}\nx: ${A}, ${A}", &values).unwrap(),
            "x: 1, 1\n"
        );
        assert!(fill_in("x: ${B}", &values).is_err());
        assert!(fill_in("x: ${A", &values).is_err());
    }
}
