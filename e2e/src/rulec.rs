//! The compiler, run as people run it.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::locate;

/// Length of a raw Ed25519 public key, the end of its SubjectPublicKeyInfo.
const PUBLIC_KEY_LEN: usize = 32;

/// A key pair in two PEM files.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The private key.
    pub private: PathBuf,
    /// The public key.
    pub public: PathBuf,
}

impl Keys {
    /// Lets `rulec keygen` make one in `folder`.
    pub fn generate(folder: &Path, name: &str) -> Result<Self> {
        let private = folder.join(format!("{name}.pem"));
        let public = folder.join(format!("{name}.pub.pem"));
        run(rulec()?.arg("keygen").arg("--out").arg(&private))?;
        Ok(Keys { private, public })
    }

    /// The public key as the filter's configuration takes it on one line: its raw bytes in base64.
    pub fn trusted(&self) -> Result<String> {
        let pem = fs::read_to_string(&self.public)
            .with_context(|| format!("read {}", self.public.display()))?;
        let body: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let der = STANDARD.decode(body).context("a PEM body in base64")?;
        let raw = der
            .last_chunk::<PUBLIC_KEY_LEN>()
            .context("a public key of 32 bytes")?;
        Ok(STANDARD.encode(raw))
    }
}

/// A bundle file.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Where it is.
    pub path: PathBuf,
}

impl Bundle {
    /// Its bytes.
    pub fn read(&self) -> Result<Vec<u8>> {
        fs::read(&self.path).with_context(|| format!("read {}", self.path.display()))
    }

    /// Adds a signature to the file.
    pub fn sign(&self, keys: &Keys) -> Result<()> {
        let mut command = rulec()?;
        command.arg("sign").arg(&self.path);
        run(command.arg("--key").arg(&keys.private))?;
        Ok(())
    }
}

/// What to build.
#[derive(Clone, Debug)]
pub struct Build<'a> {
    /// The folder of the ruleset.
    pub ruleset: &'a Path,
    /// The file of what a custom filter knows, if its rules read that.
    pub attributes: Option<&'a Path>,
    /// Its revision.
    pub revision: u64,
    /// Who signs it.
    pub keys: &'a Keys,
    /// When it is issued, RFC 3339; now when not given.
    pub issued_at: Option<&'a str>,
}

impl Build<'_> {
    /// Runs `rulec build`.
    pub fn run(&self, out: PathBuf) -> Result<Bundle> {
        let mut command = rulec()?;
        command.arg("build").arg(self.ruleset);
        if let Some(attributes) = self.attributes {
            command.arg("--attributes").arg(attributes);
        }
        command.arg("--revision").arg(self.revision.to_string());
        command.arg("--key").arg(&self.keys.private);
        command.arg("-o").arg(&out);
        if let Some(issued_at) = self.issued_at {
            command.arg("--issued-at").arg(issued_at);
        }
        run(&mut command)?;
        Ok(Bundle { path: out })
    }
}

/// Runs `rulec eval` over requests, one JSON object a line, and returns the verdict of each.
pub fn eval(bundle: &Bundle, requests: &str) -> Result<Vec<Value>> {
    let mut command = rulec()?;
    command
        .arg("eval")
        .arg(&bundle.path)
        .args(["--requests", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start rulec")?;
    let mut stdin = child.stdin.take().context("the standard input of rulec")?;
    // Written from another thread: rulec may answer the first request before it has read the last.
    let requests = requests.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(requests.as_bytes()));
    let output = child.wait_with_output().context("wait for rulec")?;
    let verdicts = checked(output, &command)?;
    if !matches!(writer.join(), Ok(Ok(()))) {
        bail!("rulec eval ended before it had read every request");
    }
    verdicts
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("`{line}` is not JSON")))
        .collect()
}

/// Runs `rulec replay` over a file of traffic, with these options more, and returns its report.
pub fn replay(bundle: &Bundle, traffic: &Path, options: &[&str]) -> Result<Value> {
    let mut command = rulec()?;
    command.arg("replay").arg(&bundle.path);
    command.arg("--traffic").arg(traffic);
    command.args(["--format", "json"]).args(options);
    let report = run(&mut command)?;
    serde_json::from_str(&report).with_context(|| format!("`{report}` is not JSON"))
}

fn rulec() -> Result<Command> {
    Ok(Command::new(locate::program("rulec")?))
}

/// Runs it to its end and returns its standard output; another status than 0 is an error that shows standard error.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("start {command:?}"))?;
    checked(output, command)
}

fn checked(output: Output, command: &Command) -> Result<String> {
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("{command:?} printed something that is not UTF-8"))
}
