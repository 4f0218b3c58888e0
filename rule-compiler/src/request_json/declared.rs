//! The custom attributes of a request, against those that were declared.

use std::collections::BTreeSet;

use super::{OwnedRequest, RequestError};
use crate::front::closest;

impl OwnedRequest {
    /// Checks that all of its custom attributes were declared.
    ///
    /// # Errors
    ///
    /// Names the first that was not.
    pub fn check_attributes(&self, declared: &BTreeSet<String>) -> Result<(), RequestError> {
        let names = self.custom.iter();
        let mut names = names.map(|(name, _)| String::from_utf8_lossy(name));
        match names.find(|name| !declared.contains(&**name)) {
            None => Ok(()),
            Some(name) => Err(RequestError::UnknownAttribute {
                help: match closest(&name, declared.iter().map(String::as_str)) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None => "declare it in the file for `--attributes`".to_owned(),
                },
                name: name.into_owned(),
            }),
        }
    }
}
