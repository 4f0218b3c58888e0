//! The kinds of diagnostics. The comment of each is its page: what it means, an example, the remedy.

use core::{fmt, str::FromStr};

use thiserror::Error;

use super::Severity;

/// Declares [`Code`] with its numbers and severities in one table.
macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $number:literal $severity:ident,)*) => {
        /// What kind of diagnostic it is. Numbers are never given out twice.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])* $name = $number,)*
        }

        impl Code {
            /// Every code, by number.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// Errors stop a build, warnings do not.
            pub fn severity(self) -> Severity {
                match self {
                    $(Code::$name => Severity::$severity,)*
                }
            }

            /// A word or a few, joined like `UnusedList`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Code::$name => stringify!($name),)*
                }
            }

            /// What it means, an example and the remedy, in Markdown.
            pub fn page(self) -> String {
                let lines: &[&str] = match self {
                    $(Code::$name => &[$($doc),*],)*
                };
                let line = |line: &&str| format!("{}\n", line.strip_prefix(' ').unwrap_or(line));
                lines.iter().map(line).collect()
            }
        }
    };
}

codes! {
    /// A file is not YAML.
    ///
    /// ```yaml
    /// rules:
    ///   - id: broken
    ///    when: request.method == "GET"
    /// ```
    ///
    /// Indent the keys of a map alike. A condition that holds `: ` needs quotes around it.
    YamlSyntax = 1 Error,
    /// A YAML tag. In YAML a plain value that starts with `!` is a tag, so this condition would lose its negation:
    ///
    /// ```yaml
    /// when: !connection.mtls
    /// ```
    ///
    /// Quote it: `when: '!connection.mtls'`, or use `not: connection.mtls`.
    YamlTag = 2 Error,
    /// An anchor, an alias or a merge key: a reader should see a rule as it is, at the place where it is.
    ///
    /// ```yaml
    /// lists:
    ///   office: &net { type: cidr, values: [10.0.0.0/8] }
    ///   vpn: *net
    /// ```
    ///
    /// Write the value at both places; give values that many rules share a name under `lists`.
    YamlReference = 3 Error,
    /// A key stands twice in one map.
    ///
    /// ```yaml
    /// - id: twice
    ///   when: request.method == "PUT"
    ///   when: request.method == "POST"
    ///   then: deny
    /// ```
    ///
    /// Delete one, or join both under `all` or `any`.
    DuplicateKey = 4 Error,
    /// A file holds more than one YAML document.
    ///
    /// ```yaml
    /// rules: []
    /// ---
    /// rules: []
    /// ```
    ///
    /// Put each document into a file of its own.
    SeveralDocuments = 5 Error,
    /// A key that the language does not have at this place.
    ///
    /// ```yaml
    /// - id: typo
    ///   wen: request.method == "TRACE"
    ///   then: deny
    /// ```
    ///
    /// The remedy names the closest key, or all of them.
    UnknownKey = 6 Error,
    /// A key that must be there is not.
    ///
    /// ```yaml
    /// - id: what-then
    ///   when: request.method == "TRACE"
    /// ```
    ///
    /// Add it.
    MissingKey = 7 Error,
    /// A value of the wrong kind: a list where a map is expected, say.
    ///
    /// ```yaml
    /// rules:
    ///   id: not-a-list
    /// ```
    ///
    /// The message names what is expected; `- ` starts an element of a list.
    WrongShape = 8 Error,
    /// A value of the right kind that is none of those that are allowed.
    ///
    /// ```yaml
    /// on_expired: panic
    /// ```
    ///
    /// The remedy lists those that are allowed.
    InvalidValue = 9 Error,
    /// A name with a character that names do not have, or one that is too long.
    ///
    /// ```yaml
    /// ruleset: Store Front
    /// ```
    ///
    /// The remedy says which characters the name may have.
    InvalidName = 10 Error,
    /// A number outside of its range.
    ///
    /// ```yaml
    /// then: { deny: { status: 99 } }
    /// ```
    ///
    /// The message gives the range.
    OutOfRange = 11 Error,
    /// Something is too long, too many or nested too deep. Every part of the language has a limit, so that neither a
    /// slip nor an attack can make a build or a proxy slow.
    ///
    /// ```yaml
    /// then: { tag: { note: "…300 characters…" } }
    /// ```
    ///
    /// The message gives the limit. Long `in [..]` lists belong under `lists`.
    TooLarge = 12 Error,
    /// A `language` that this compiler does not know.
    ///
    /// ```yaml
    /// language: 2
    /// ```
    ///
    /// Write `language: 1`.
    UnknownLanguage = 14 Error,
    /// Two rules have one id.
    ///
    /// ```yaml
    /// rules:
    ///   - { id: no-trace, when: request.method == "TRACE", then: deny }
    ///   - { id: no-trace, when: request.method == "TRACK", then: deny }
    /// ```
    ///
    /// Ids name rules in logs and verdicts: give each its own.
    DuplicateRule = 15 Error,
    /// Not a time in RFC 3339.
    ///
    /// ```yaml
    /// active: { from: 2026-11-11 }
    /// ```
    ///
    /// Write date, time and offset: `2026-11-11T00:00:00+08:00` or `2026-11-10T16:00:00Z`.
    InvalidTime = 16 Error,
    /// Not a length of time.
    ///
    /// ```yaml
    /// ttl: 1 day
    /// ```
    ///
    /// Write a number and one unit of `s`, `m`, `h` and `d`: `24h`.
    InvalidDuration = 17 Error,
    /// An active window that ends before it begins, so that the rule could never match.
    ///
    /// ```yaml
    /// active: { from: 2026-11-12T00:00:00Z, until: 2026-11-11T00:00:00Z }
    /// ```
    ///
    /// A window is `from <= t < until`: put `from` before `until`.
    EmptyWindow = 18 Error,
    /// Two score bands begin at the same score.
    ///
    /// ```yaml
    /// score_bands:
    ///   - { at_least: 50, then: deny }
    ///   - { at_least: 50, then: allow }
    /// ```
    ///
    /// Delete one.
    DuplicateBand = 19 Error,
    /// A `then` with more than one terminal action, or with none of the actions at all.
    ///
    /// ```yaml
    /// then: { allow: {}, deny: { status: 429 } }
    /// ```
    ///
    /// Only one of `allow`, `deny` and `challenge` can end a decision; `score` and `tag` may stand beside it.
    InvalidOutcome = 20 Error,
    /// A header that a reply cannot carry.
    ///
    /// ```yaml
    /// then: { deny: { headers: { "retry after": "10" } } }
    /// ```
    ///
    /// A name has letters, digits and ``!#$%&'*+-.^_`|~``, a value no control characters; framing headers such as
    /// `content-length` are the proxy's.
    InvalidHeader = 21 Error,
    /// A redirect template that is not an absolute URL, or that has a placeholder at a place or of a name that it
    /// cannot have.
    ///
    /// ```yaml
    /// then: { challenge: { redirect: "https://{request.host}/verify" } }
    /// ```
    ///
    /// A placeholder in the host would let a client choose where the redirect goes. Begin with `https://` and a fixed
    /// host; after it `{request.path}`, `{request.host}`, `{request.url_path}` and `{rule.id}` may stand.
    InvalidTemplate = 22 Error,
    /// Not an IP address or a CIDR prefix.
    ///
    /// ```yaml
    /// lists:
    ///   office: { type: cidr, values: [10.1.0.0/8] }
    /// ```
    ///
    /// A prefix has no bits set after its length: `10.0.0.0/8`, or `10.1.0.0/16`.
    InvalidAddress = 23 Error,
    /// A list's file cannot be used.
    ///
    /// ```yaml
    /// lists:
    ///   devices: { type: string, file: ../devices.txt }
    /// ```
    ///
    /// The path is relative to the ruleset folder and stays inside it: `lists/devices.txt`.
    ListFile = 24 Error,
    /// A condition that cannot be parsed.
    ///
    /// ```yaml
    /// when: request.method == "GET" &&
    /// ```
    ///
    /// The caret stands where something else is expected.
    ExpressionSyntax = 25 Error,
    /// A string of a condition with a bad escape or without its end.
    ///
    /// ```yaml
    /// when: request.path.matches("\d+")
    /// ```
    ///
    /// Double the backslash, or write a raw string: `r"\d+"`.
    InvalidString = 26 Error,
    /// A number of a condition that does not fit 64 bits, or is none.
    ///
    /// ```yaml
    /// when: int(request.params["n"]) > 99999999999999999999
    /// ```
    ///
    /// Integers go from -9223372036854775808 to 9223372036854775807; anything larger is a double: `1e20`.
    InvalidNumber = 27 Error,
    /// A construct of CEL that this language does not have: arithmetic, macros, conditionals, maps and more. Conditions
    /// compile to automata, which have no such thing.
    ///
    /// ```yaml
    /// when: 'request.method == "GET" ? true : false'
    /// ```
    ///
    /// The remedy says what to write instead.
    UnsupportedConstruct = 28 Error,
    /// A name that is no attribute.
    ///
    /// ```yaml
    /// when: request.methd == "GET"
    /// ```
    ///
    /// The remedy names the closest one.
    UnknownAttribute = 29 Error,
    /// A function or a method that does not exist.
    ///
    /// ```yaml
    /// when: request.path.startswith("/admin")
    /// ```
    ///
    /// The remedy names the closest one.
    UnknownFunction = 30 Error,
    /// A list that `ruleset.yaml` does not define.
    ///
    /// ```yaml
    /// when: client.ip in lists.ofice
    /// ```
    ///
    /// The remedy names the closest one.
    UnknownList = 31 Error,
    /// An operator or a function on a value of a type that it does not take.
    ///
    /// ```yaml
    /// when: source.ip.startsWith("10.")
    /// ```
    ///
    /// The message names both types, the remedy what to write instead: `source.ip in ["10.0.0.0/8"]`.
    TypeMismatch = 32 Error,
    /// A constant on the left of an operator.
    ///
    /// ```yaml
    /// when: '"GET" == request.method'
    /// ```
    ///
    /// Put the attribute first: `request.method == "GET"`.
    ConstantOnLeft = 33 Error,
    /// A key in brackets that is missing, not a string, or where none belongs.
    ///
    /// ```yaml
    /// when: request.headers["X-Device"] == "d1"
    /// ```
    ///
    /// Write `request.headers["x-device"]`: header names are in lower case.
    InvalidKey = 34 Error,
    /// A call with too many or too few arguments, or with one that is not a constant.
    ///
    /// ```yaml
    /// when: request.path.startsWith("/a", "/b")
    /// ```
    ///
    /// The message gives what the function takes.
    InvalidArgument = 35 Error,
    /// A regex that does not compile.
    ///
    /// ```yaml
    /// when: request.path.matches("(/admin")
    /// ```
    ///
    /// Regexes have the syntax of Rust's `regex` crate over bytes, with Unicode off: no look-around, no
    /// back-references, no non-ASCII characters in a class.
    InvalidPattern = 36 Error,
    /// A regex whose automaton would take more than 1 MB. Counted repetitions
    /// multiply its states.
    ///
    /// ```yaml
    /// when: request.path.matches("^(?:/[a-z]{9}){9000}$")
    /// ```
    ///
    /// Use smaller counts or `*`, or split the pattern into several conditions joined with `&&` or `||`.
    PatternTooLarge = 37 Error,
    /// A counter that `ruleset.yaml` does not define.
    ///
    /// ```yaml
    /// when: counters.taps_by_devise > 5
    /// ```
    ///
    /// The remedy names the closest one.
    UnknownCounter = 40 Error,
    /// A counter where none can be: in the definition of a counter, or where something else is asked of it than how much it
    /// has counted.
    ///
    /// ```yaml
    /// counters:
    ///   taps_by_device: { key: ['request.headers["x-device-id"]'], window: 10s }
    /// rules:
    ///   - { id: burst, when: has(counters.taps_by_device), then: deny }
    /// ```
    ///
    /// Compare it with a number: `counters.taps_by_device > 5`. A counter that has seen nothing of a request's key is 0.
    MisplacedCounter = 41 Error,
    /// What a request was answered with, where the answer is not there yet: anywhere but in a counter's `count_when`.
    ///
    /// ```yaml
    /// when: response.code == 401
    /// ```
    ///
    /// Count such responses, and let a rule compare the counter: `count_when: response.code == 401`.
    MisplacedResponse = 42 Error,
    /// Counters that together take more memory than a filter has for them.
    ///
    /// ```yaml
    /// counters:
    ///   device: { key: [client.ip], distinct: 'request.headers["x-device"]', window: 1h, max_keys: 8192 }
    ///   account: { key: [client.ip], distinct: 'request.headers["x-account"]', window: 1h, max_keys: 8192 }
    ///   card: { key: [client.ip], distinct: 'request.headers["x-card"]', window: 1h, max_keys: 8192 }
    ///   coupon: { key: [client.ip], distinct: 'request.headers["x-coupon"]', window: 1h, max_keys: 8192 }
    ///   phone: { key: [client.ip], distinct: 'request.headers["x-phone"]', window: 1h, max_keys: 8192 }
    ///   address: { key: [client.ip], distinct: 'request.headers["x-address"]', window: 1h, max_keys: 8192 }
    /// rules:
    ///   - id: many
    ///     when: request.method == "POST" && (counters.device > 9 || counters.account > 9 || counters.card > 9 || counters.coupon > 9 || counters.phone > 9 || counters.address > 9)
    ///     then: deny
    /// ```
    ///
    /// Give them fewer `max_keys`, or use one for several rules. `rulec check` prints what each of them takes.
    CounterMemory = 43 Error,
    /// A custom attribute with a name that is taken: by the language, or by another one.
    ///
    /// ```yaml
    /// attributes:
    ///   - { name: client.device, type: string }
    /// ```
    ///
    /// Give it a name that begins otherwise, such as `device.id`: `request`, `source`, `client`, `connection`, `auth`,
    /// `response`, `counters` and `lists` belong to the language.
    TakenAttribute = 44 Error,
    /// A custom attribute of a type that none can have.
    ///
    /// ```yaml
    /// attributes:
    ///   - { name: device.seen, type: date }
    /// ```
    ///
    /// Declare a `string`, `strings`, `int`, `double`, `bool`, `ip` or `timestamp`.
    AttributeType = 45 Error,
    /// `stage: canary` without `canary`, or the reverse.
    ///
    /// ```yaml
    /// - id: halfway
    ///   canary: { percent: 5, by: [client.ip] }
    ///   when: request.method == "TRACE"
    ///   then: deny
    /// ```
    ///
    /// The stage says that a share of the matches counts, `canary` says which: write both or none.
    CanaryStage = 50 Error,
    /// An attribute that cannot be a key, because it does not tell one client from another.
    ///
    /// ```yaml
    /// - id: first-to-come
    ///   stage: canary
    ///   canary: { percent: 5, by: [request.time] }
    ///   when: request.method == "TRACE"
    ///   then: deny
    /// ```
    ///
    /// A key is a string or an IP address: `client.ip`, `request.cookies["session"]`. Transforms may follow a string.
    KeyType = 51 Error,
    /// A `suppress` that cannot be: of a code that there is not, of an error, of one code twice, or without a reason.
    ///
    /// ```yaml
    /// - id: fallback
    ///   suppress: [{ code: R0015, reason: "" }]
    ///   when: request.method == "TRACE"
    ///   then: deny
    /// ```
    ///
    /// Only warnings can be suppressed, by their code: `suppress: [{ code: R0105, reason: "it is meant for every request" }]`.
    /// Errors have to be mended.
    InvalidSuppression = 38 Error,
    /// A file that looks like rules and is not read: a YAML file beside `ruleset.yaml` that does not end in `.rules.yaml`, a rule
    /// file in a folder below, or a link to a folder. Its rules would protect nobody.
    ///
    /// ```yaml
    /// # more.yaml
    /// rules: []
    /// ```
    ///
    /// Name it `more.rules.yaml` and put it beside `ruleset.yaml`; move what holds no rules out of the folder.
    StrayFile = 39 Error,
    /// Two tests of one file with the same name: reports and `rulec test --only` know tests by it.
    ///
    /// ```yaml
    /// tests:
    ///   - { name: refused, request: { path: /a }, expect: { action: deny } }
    ///   - { name: refused, request: { path: /b }, expect: { action: deny } }
    /// ```
    ///
    /// Say in each name what sets the test apart.
    DuplicateTest = 60 Error,
    /// A test that has neither a `request` nor a `sequence`, or both, or an `expect` in the wrong place.
    ///
    /// ```yaml
    /// tests:
    ///   - name: refused
    ///     expect: { action: deny }
    /// ```
    ///
    /// Give one request as `request` with `expect` beside it, or several as the steps of a `sequence`, each with its own `expect`.
    InvalidTest = 61 Error,
    /// A request of a test that is none: it has no path, an address that is none, and the like.
    ///
    /// ```yaml
    /// tests:
    ///   - name: refused
    ///     request: { path: /, source_ip: 10.0.0 }
    ///     expect: { action: deny }
    /// ```
    ///
    /// A request has the keys of a request as JSON; only `path` has to be there.
    InvalidRequest = 62 Error,
    /// A test that no verdict can fail.
    ///
    /// ```yaml
    /// tests:
    ///   - { name: refused, request: { path: / } }
    /// ```
    ///
    /// Say what is expected: `expect: { action: deny }`. In a sequence at least one step has to.
    ChecksNothing = 63 Error,
    /// A test that names a rule that the ruleset does not have.
    ///
    /// ```yaml
    /// tests:
    ///   - { name: refused, request: { path: / }, expect: { rule: exampel } }
    /// ```
    ///
    /// Write the rule's `id` as it stands in the rule file.
    UnknownRule = 64 Error,
    /// An expectation that no verdict of this ruleset can meet: a band that there is not, a rule that never decides, or two
    /// keys that exclude each other.
    ///
    /// ```yaml
    /// tests:
    ///   - { name: refused, request: { path: / }, expect: { action: allow, status: 403 } }
    /// ```
    ///
    /// Leave one of the keys out. That a rule without a terminal action matches is checked with `matched`.
    ImpossibleExpectation = 65 Error,
    /// A step of a test that happens before the one that it follows.
    ///
    /// ```yaml
    /// tests:
    ///   - name: refused
    ///     sequence:
    ///       - { request: { path: /, time: 2026-11-11T10:00:00Z } }
    ///       - { request: { path: /, time: 2026-11-11T09:00:00Z }, expect: { action: deny } }
    /// ```
    ///
    /// Time never runs backwards in a test. Put the steps in order, or leave `time` out and let `every` move the clock.
    TimeRunsBackwards = 66 Error,
    /// A list that no rule uses. It costs nothing in a bundle, but may be a rule's typo.
    ///
    /// ```yaml
    /// lists:
    ///   office: { type: cidr, values: [10.0.0.0/8] }
    /// rules:
    ///   - { id: no-trace, when: request.method == "TRACE", then: deny }
    /// ```
    ///
    /// Use it or delete it.
    UnusedList = 101 Warning,
    /// An allow rule trusts an attribute that a client can send several times. A test is true if any value satisfies
    /// it, so a client that adds a good value beside a bad one is let through.
    ///
    /// ```yaml
    /// - id: partner
    ///   when: request.headers["x-partner"] == "gold"
    ///   then: allow
    /// ```
    ///
    /// Add `size(request.headers["x-partner"]) == 1` to the same `all`.
    AllowTrustsManyValues = 102 Warning,
    /// A condition that is always true or never true: of constants, or of tests that exclude each other. Only what is
    /// certain is told; an attribute with several values can be two texts at once. A counter with such a `count_when` stays at 0.
    ///
    /// ```yaml
    /// when: request.method == "GET" && request.method == "POST"
    /// ```
    ///
    /// Write `when: true` if every request is meant; delete a rule that never matches.
    ConstantCondition = 103 Warning,
    /// A ruleset without any rule: every request gets the default.
    ///
    /// ```yaml
    /// rules: []
    /// ```
    ///
    /// Put rules into files beside `ruleset.yaml` that end in `.rules.yaml`.
    NoRules = 104 Warning,
    /// A condition that can be true although none of its tests is: nothing that a request has lets the engine leave the
    /// rule out, so every request pays for it.
    ///
    /// ```yaml
    /// when: '!(request.method == "GET")'
    /// ```
    ///
    /// Require something besides that an index finds: a value, a prefix, a network. A rule that is
    /// meant for every request can stay as it is; `rulec check --cost` shows what it costs.
    AlwaysChecked = 105 Warning,
    /// A `suppress` of a warning that is not there. It may be left over from a rule that has changed, and would hide a new one.
    ///
    /// ```yaml
    /// - id: no-trace
    ///   suppress: [{ code: R0105, reason: every request is meant }]
    ///   when: request.method == "TRACE"
    ///   then: deny
    /// ```
    ///
    /// Delete it. A rule's `suppress` is about that rule, the one in `ruleset.yaml` about the whole ruleset.
    UnusedSuppression = 106 Warning,
    /// A rule that never matches again: its `active` window is over, or its condition waits for a time that has passed.
    ///
    /// ```yaml
    /// active: { until: 2019-11-12T00:00:00Z }
    /// ```
    ///
    /// Delete it, or give it a new window. `rulec check --at TIME` judges at another time than now.
    OverForGood = 107 Warning,
    /// A test of what a client wrote, in a rule that means what the upstream makes of it. `/a/../%61dmin` is not `/admin`
    /// for a comparison, and may be for a server; and so are a query, capital letters, and a port in a host.
    ///
    /// ```yaml
    /// when: request.url_path.startsWith("/admin")
    /// ```
    ///
    /// Undo what the upstream undoes, in its order, before the test: `request.url_path.urlDecodeAll().normalizePath()`, which has
    /// no query as `request.path` does, `request.hostname` for `request.host`, `.lowerAscii()` for words. If the proxy normalises paths before the filter
    /// sees them, suppress the warning in `ruleset.yaml` and say so. docs/evasion.md shows which transform defeats which trick.
    NotNormalised = 108 Warning,
    /// A test of a whole header that Envoy joins: `user-agent`, `referer`, `accept`, `authorization` and `content-type`. A client
    /// that sends it twice turns `sqlmap` into `x,sqlmap`, which is neither equal nor listed.
    ///
    /// ```yaml
    /// when: request.useragent == "sqlmap"
    /// ```
    ///
    /// Test with `.lowerAscii().contains("sqlmap")` or `.matches("(?i)(^|,)sqlmap")`, or refuse a comma in that header by a rule of its own.
    JoinedHeader = 109 Warning,
    /// A rule that refuses requests of which it only negates a test of an optional attribute. Where the attribute is absent every
    /// test is false, so that the negation is true and the request is refused.
    ///
    /// ```yaml
    /// when: request.method == "POST" && request.headers["x-client"] != "app"
    /// ```
    ///
    /// Add `has(request.headers["x-client"])` beside it, or write `!has(request.headers["x-client"]) || ..` if requests without
    /// it are meant.
    NegationOfAbsent = 110 Warning,
    /// A rule that lets through what is on an approximate list, or what is not refused for being on it. One of 65,536 others
    /// counts as listed.
    ///
    /// ```yaml
    /// lists:
    ///   friends: { type: string, approximate: true, values: [ann, bob] }
    /// rules:
    ///   - id: friends
    ///     when: auth.claims["sub"] in lists.friends
    ///     then: allow
    /// ```
    ///
    /// Leave `approximate` out: an exact list takes some bytes more a value.
    ApproximateListAdmits = 111 Warning,
    /// A rule that never decides: another one has the same condition, is always enforced, and comes before it by priority or place.
    ///
    /// ```yaml
    /// rules:
    ///   - { id: no-trace, priority: 10, when: request.method == "TRACE", then: deny }
    ///   - { id: trace, when: request.method == "TRACE", then: allow }
    /// ```
    ///
    /// Delete one of them, or change its priority or its condition.
    Overruled = 112 Warning,
    /// A condition without quotes that goes on, it seems, behind ` #`. There a comment begins in YAML, so this rule matches every
    /// POST request:
    ///
    /// ```yaml
    /// when: request.method == "POST" # && request.url_path.urlDecodeAll().normalizePath() == "/login"
    /// ```
    ///
    /// Delete the `#`, or what follows it; a comment that begins with another word is not warned of.
    CutCondition = 113 Warning,
    /// A score band that a request reaches without any score, which is 0, or that all scores together do not reach.
    ///
    /// ```yaml
    /// score_bands: [{ at_least: 100, then: deny }]
    /// rules:
    ///   - { id: trace, when: request.method == "TRACE", then: { score: 5 } }
    /// ```
    ///
    /// Let a band begin above 0, and no higher than the scores of rules that may match together.
    BandReach = 114 Warning,
    /// A counter that no rule compares. Filters count for it all the same, in memory of its own.
    ///
    /// ```yaml
    /// counters:
    ///   requests_by_ip: { key: [client.ip], window: 10s }
    /// rules:
    ///   - { id: no-trace, when: request.method == "TRACE", then: deny }
    /// ```
    ///
    /// Use it or delete it.
    UnusedCounter = 130 Warning,
}

impl Code {
    /// What it means, without the example and the remedy, on one line.
    pub fn summary(self) -> String {
        let page = self.page();
        let first = page.split("\n\n").next().unwrap_or_default();
        first.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{:04}", *self as u16)
    }
}

/// A text that is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no such code; `rulec explain` lists all")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let known = Code::ALL.iter().find(|code| code.to_string() == text);
        known.copied().ok_or(UnknownCode)
    }
}
