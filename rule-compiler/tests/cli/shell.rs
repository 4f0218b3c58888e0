use std::process::{Command, Stdio};

use crate::rulec::Workshop;

const COMMANDS: [&str; 3] = ["build", "check", "test"];

#[test]
fn every_shell_can_complete_commands() {
    let workshop = Workshop::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = workshop.run(&format!("completions {shell}")).expect(0, "");
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    workshop
        .run("completions tcsh")
        .expect(2, "possible values: bash");
}

/// The script is run by the shell that it is for.
#[test]
fn bash_completes_a_command_and_an_option() {
    let workshop = Workshop::empty();
    let script = workshop.run("completions bash").expect(0, "");
    let complete = |words: &str, at: usize| {
        let program = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={at}; _rulec rulec \"${{COMP_WORDS[{at}]}}\" \"\"; echo \"${{COMPREPLY[@]}}\""
        );
        let run = Command::new("bash")
            .args(["-c", &program])
            .stdin(Stdio::null())
            .output();
        run.ok()
            .map(|output| String::from_utf8(output.stdout).unwrap())
    };
    let Some(commands) = complete("rulec ins", 1) else {
        eprintln!("SKIPPED: there is no bash on this machine");
        return;
    };
    assert_eq!(commands.trim(), "inspect");
    assert_eq!(
        complete("rulec build --max", 2).unwrap().trim(),
        "--max-cost"
    );
}

#[test]
fn every_command_has_a_manual_page() {
    let workshop = Workshop::empty();
    workshop
        .run("man --out man1")
        .expect(0, "manual pages written to man1");
    let read = |name: &str| String::from_utf8(workshop.read(&format!("man1/{name}.1"))).unwrap();
    assert!(read("rulec").contains("rulec\\-check(1)"));
    let help = workshop.run("--help").expect(0, "");
    let commands = help
        .split("Commands:")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let commands: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let page = read(&format!("rulec-{command}"));
        assert!(page.contains(&format!(".TH rulec-{command} 1")), "{page}");
        assert!(page.contains("SYNOPSIS"), "{page}");
    }
    workshop.write("file", "");
    workshop
        .run("man --out file")
        .expect(2, "cannot make the folder file");
    workshop.run("man").expect(2, "--out");
}

/// `script` gives it a terminal.
#[test]
fn colours_are_for_terminals() {
    let workshop = Workshop::with_ruleset();
    workshop.write(
        "shop/main.rules.yaml",
        "rules: [{ id: x, when: nonsense, then: deny }]",
    );
    let on_a_terminal = |no_color: &str, term: &str| {
        let program = format!("{} check shop", env!("CARGO_BIN_EXE_rulec"));
        let run = Command::new("script")
            .args(["-q", "-e", "-c", &program, "/dev/null"])
            .current_dir(workshop.path(""))
            .env("NO_COLOR", no_color)
            .env("TERM", term)
            .stdin(Stdio::null())
            .output();
        run.ok()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Some(coloured) = on_a_terminal("", "xterm-256color") else {
        eprintln!("SKIPPED: there is no `script` on this machine");
        return;
    };
    let is_coloured = |text: &str| {
        assert!(text.contains("R0029"), "{text}");
        text.contains("\u{1b}[")
    };
    assert!(is_coloured(&coloured), "{coloured}");
    assert!(!is_coloured(&on_a_terminal("1", "xterm-256color").unwrap()));
    assert!(!is_coloured(&on_a_terminal("", "dumb").unwrap()));
    assert!(!is_coloured(&workshop.run("check shop").stderr));
}
