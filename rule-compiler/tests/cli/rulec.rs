//! Runs `rulec` in a folder of its own.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// When bundles are issued and judged unless a test says otherwise.
pub(crate) const ISSUED_AT: &str = "2026-11-01T00:00:00Z";
pub(crate) const A_DAY_LATER: &str = "2026-11-02T00:00:00Z";

/// A folder in which commands run, removed at the end.
pub(crate) struct Workshop {
    folder: TempDir,
}

/// How a command ended.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Checks the exit code, and that standard error says this; returns standard output.
    #[track_caller]
    pub(crate) fn expect(self, code: i32, words: &str) -> String {
        let Outcome { stdout, stderr, .. } = &self;
        assert_eq!(self.code, code, "{stdout}{stderr}");
        assert!(
            stderr.contains(words),
            "standard error lacks {words:?}:\n{stderr}"
        );
        self.stdout
    }
}

impl Workshop {
    /// An empty folder.
    pub(crate) fn empty() -> Workshop {
        Workshop {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A folder with a ruleset `shop`.
    pub(crate) fn with_ruleset() -> Workshop {
        let workshop = Workshop::empty();
        workshop.write("shop/ruleset.yaml", "language: 1\nruleset: shop\nttl: 7d\n");
        workshop.write("shop/main.rules.yaml", RULES);
        workshop
    }

    /// A folder with a ruleset `shop`, keys `signer` and `other`, and a bundle `shop.bundle` signed by the first.
    pub(crate) fn furnished() -> Workshop {
        let workshop = Workshop::with_ruleset();
        workshop
            .run("keygen --out signer.pem")
            .expect(0, "signer.pub.pem");
        workshop
            .run("keygen --out other.pem")
            .expect(0, "other.pub.pem");
        workshop
            .build("shop.bundle", "--revision 3")
            .expect(0, "revision 3");
        workshop
    }

    /// `rulec build` of `shop`, signed by `signer`, at the usual time.
    pub(crate) fn build(&self, output: &str, more: &str) -> Outcome {
        self.run(&format!(
            "build shop --key signer.pem --issued-at {ISSUED_AT} -o {output} {more}"
        ))
    }

    /// Runs `rulec` with arguments that are split at spaces.
    pub(crate) fn run(&self, args: &str) -> Outcome {
        self.run_with(args, "", &[])
    }

    pub(crate) fn run_with(&self, args: &str, stdin: &str, variables: &[(&str, &str)]) -> Outcome {
        run(self.folder.path(), args, stdin, variables)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names of all files of the folder itself, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        names_in(self.folder.path())
    }
}

/// Runs `rulec` where the source tree is, which it leaves alone.
pub(crate) fn run_in(folder: &Path, args: &str) -> Outcome {
    run(folder, args, "", &[])
}

fn run(folder: &Path, args: &str, stdin: &str, variables: &[(&str, &str)]) -> Outcome {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rulec"))
        .args(args.split_whitespace())
        .current_dir(folder)
        .env_remove("SOURCE_DATE_EPOCH")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

const RULES: &str = r#"
rules:
  - id: env
    when: request.url_path.urlDecodeAll().normalizePath() == "/.env"
    then: deny
  - id: odd-bytes
    when: request.path.matches("\\xff") || request.headers["x-odd"].matches("\\xfe")
    then: { deny: { status: 400 } }
  - id: agent
    when: request.useragent.lowerAscii().contains("sqlmap")
    then: { score: 10, tag: { client: scanner, beta: "2", alpha: "1" } }
  - id: many
    stage: shadow
    when: size(request.headers["x-many"]) >= 2
    then: { challenge: { status: 401 } }
  - id: evening
    active: { from: 2026-11-05T20:00:00Z, until: 2026-11-05T22:00:00Z }
    when: request.url_path.urlDecodeAll().normalizePath() == "/sale"
    then: { score: 1 }
"#;
