//! `rulec sign`: add signatures to a bundle, or write what a key management service is to sign.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use riskgate_compiler::keys::{read_public_key, read_signing_key};
use riskgate_compiler::signing::{Signed, Signing, SigningError};
use riskgate_engine::bundle::{Bundle, Digest};
use riskgate_engine::trust::key_id;

use crate::args::SignArgs;
use crate::failure::Failure;
use crate::output::{flush, read_bundle, tell};
use crate::replace::replace;
use crate::time::describe_time;

/// What every payload begins with.
const PAYLOAD_START: &[u8] = b"DSSEv1 ";
/// Far more than base64 of a signature with its line breaks takes, in bytes.
const SIGNATURE_FILE_LEN_MAX: u64 = 1_024;

pub(crate) fn run(args: &SignArgs) -> Result<(), Failure> {
    let file = read_bundle(&args.bundle)?;
    let mut signing = Signing::open(&file).map_err(|error| {
        Failure::finding(format!("cannot sign `{}`: {error}", args.bundle.display()))
    })?;
    if args.print_payload {
        return write_payload(&signing.payload(), args.output.as_deref());
    }
    let told = match (&args.signature, &args.public_key) {
        (Some(signature), Some(public_key)) => attach(&mut signing, signature, public_key)?,
        _ => sign(&mut signing, args)?,
    };
    let summary = summary(signing.bundle());
    let signed = signing.finish().map_err(|error| {
        Failure::finding(format!("cannot sign `{}`: {error}", args.bundle.display()))
    })?;
    let output = args.output.as_deref().unwrap_or(&args.bundle);
    if args.output.is_some() {
        refuse_to_lose(output, &signed)?;
    }
    if args.output.is_some() || signed != file {
        replace(output, &signed)?;
    }
    tell(&format!("{}: {summary}\n{told}", output.display()));
    Ok(())
}

/// Every key is read before the first one signs.
fn sign(signing: &mut Signing<'_>, args: &SignArgs) -> Result<String, Failure> {
    let keys = args.key.iter().map(|path| read_signing_key(path));
    let keys = keys.collect::<Result<Vec<_>, _>>();
    let mut told = String::new();
    for key in keys.map_err(Failure::unable)? {
        let signed = signing
            .sign(&key)
            .map_err(|error| refused(&error, &args.bundle))?;
        told.push_str(&describe(signed, &key.verifying_key().to_bytes()));
    }
    Ok(told)
}

fn attach(
    signing: &mut Signing<'_>,
    signature: &Path,
    public_key: &Path,
) -> Result<String, Failure> {
    let bytes = read_signature(signature)?;
    let key = read_public_key(public_key).map_err(Failure::unable)?;
    let signed = signing.attach(&key, &bytes).map_err(|error| match error {
        SigningError::Key(_) => refused(&error, public_key),
        SigningError::Bad | SigningError::TooMany => refused(&error, signature),
    })?;
    Ok(describe(signed, &key))
}

/// A key that nobody may use is usage; the others are findings about the bundle.
fn refused(error: &SigningError, about: &Path) -> Failure {
    let message = format!("`{}`: {error}", about.display());
    match error {
        SigningError::Key(_) => Failure::unable(message),
        SigningError::Bad | SigningError::TooMany => Failure::finding(message),
    }
}

/// 64 bytes as they are, or in base64 as services print them.
fn read_signature(path: &Path) -> Result<[u8; 64], Failure> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SIGNATURE_FILE_LEN_MAX).read_to_end(&mut bytes))
        .map_err(|error| {
            Failure::unable(format!(
                "cannot read signature `{}`: {error}",
                path.display()
            ))
        })?;
    if let Ok(raw) = bytes.as_slice().try_into() {
        return Ok(raw);
    }
    bytes.retain(|byte| !byte.is_ascii_whitespace());
    let decoded = BASE64.decode(&bytes).ok();
    decoded
        .and_then(|decoded| decoded.try_into().ok())
        .ok_or_else(|| {
            Failure::unable(format!(
                "`{}` is not an Ed25519 signature; give its 64 bytes as they are, or in base64",
                path.display()
            ))
        })
}

fn write_payload(payload: &[u8], output: Option<&Path>) -> Result<(), Failure> {
    if let Some(output) = output {
        refuse_other_than_payload(output)?;
        return replace(output, payload);
    }
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        return Err(Failure::unable(
            "what is to be signed is no text for a terminal; write it to a file with `--output`",
        ));
    }
    out.write_all(payload)
        .or_else(|error| Failure::output(&error))?;
    flush(&mut out)
}

/// Writing a payload over its bundle is one slip of the fingers away.
fn refuse_other_than_payload(output: &Path) -> Result<(), Failure> {
    match held(output)? {
        Some(held) if !held.starts_with(PAYLOAD_START) => Err(Failure::unable(format!(
            "`{}` exists already and is no payload; choose another name, or remove it",
            output.display()
        ))),
        _ => Ok(()),
    }
}

/// What is at `output` is replaced only by the same bundle with no signature less.
fn refuse_to_lose(output: &Path, signed: &[u8]) -> Result<(), Failure> {
    let Some(held) = held(output)? else {
        return Ok(());
    };
    let unable = |what: &str| {
        let output = output.display();
        Failure::unable(format!(
            "`{output}` exists already and {what}; choose another name, or remove it"
        ))
    };
    let (Ok(held), Ok(signed)) = (Bundle::parse(&held), Bundle::parse(signed)) else {
        return Err(unable("is no bundle"));
    };
    if held.digest() != signed.digest() {
        return Err(unable("is another bundle"));
    }
    let has = |key_id| signed.signatures().iter().any(|new| new.key_id == key_id);
    if held.signatures().iter().all(|old| has(old.key_id)) {
        Ok(())
    } else {
        Err(unable("has signatures that would be lost"))
    }
}

/// What is in a file already. What is no file is left to the one that writes.
fn held(output: &Path) -> Result<Option<Vec<u8>>, Failure> {
    if output.is_file() {
        read_bundle(output).map(Some)
    } else {
        Ok(None)
    }
}

/// What is being signed: whoever signs should read it.
fn summary(bundle: &Bundle<'_>) -> String {
    let manifest = bundle.manifest();
    let audience = manifest
        .audience
        .map(|audience| format!(" for `{audience}`"));
    let restores = manifest
        .restores
        .map(|digest| format!(", restores {digest}"));
    format!(
        "{}{} revision {}, valid until {}, digest {}{}",
        manifest.ruleset,
        audience.unwrap_or_default(),
        manifest.revision,
        describe_time(manifest.expires_at_s),
        bundle.digest(),
        restores.unwrap_or_default(),
    )
}

fn describe(signed: Signed, public_key: &[u8; 32]) -> String {
    let key = Digest(key_id(public_key));
    match signed {
        Signed::Added => format!("key {key}: signed\n"),
        Signed::Already => format!("key {key}: had signed already\n"),
        Signed::Replaced => format!("key {key}: signed, in place of a signature that was bad\n"),
    }
}
