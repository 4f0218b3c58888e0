//! `rulec schema`: JSON Schemas for editors.

use std::fs;
use std::path::Path;

use riskgate_compiler::schema::Schema;

use crate::args::SchemaArgs;
use crate::failure::Failure;
use crate::output::{flush, print_line, tell};
use crate::replace::replace;

pub(crate) fn run(args: &SchemaArgs) -> Result<(), Failure> {
    if let Some(folder) = &args.out {
        write_all(folder)?;
        tell(&format!(
            "{} schemas written to {}\n",
            Schema::ALL.len(),
            folder.display()
        ));
    }
    let Some(schema) = args.name else {
        return Ok(());
    };
    let mut out = std::io::stdout().lock();
    print_line(&mut out, &text(schema)?)?;
    flush(&mut out)
}

/// All schemas, each in a file of its own.
pub(crate) fn write_all(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| {
        Failure::unable(format!(
            "cannot make the folder {}: {error}",
            folder.display()
        ))
    })?;
    for schema in Schema::ALL {
        let text = text(schema)? + "\n";
        replace(&folder.join(schema.file_name()), text.as_bytes())?;
    }
    Ok(())
}

fn text(schema: Schema) -> Result<String, Failure> {
    let document = schema.document().map_err(Failure::unable)?;
    serde_json::to_string_pretty(&document).map_err(Failure::unable)
}
