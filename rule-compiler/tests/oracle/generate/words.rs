//! The vocabulary that tests and requests share.

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};

/// Strings that tests look for and requests carry.
const WORDS: [&[u8]; 28] = [
    b"",
    b"a",
    b"abc",
    b"ABC",
    b"admin",
    b"/admin",
    b"/api/login",
    b"/api/seckill/88",
    b"../../etc/passwd",
    b"/a/./b/../c",
    b"\\windows\\win.ini",
    b"union select",
    b"union   select",
    b"or 1 = 1 --",
    b"select * from users",
    b"<script>",
    b"'a' or \"b\" & c",
    b"sqlmap/1.8",
    b"shop.example.com",
    b"a b",
    b" abc\t",
    b"x=1",
    b"GET",
    b"null\0byte",
    "\u{e9}t\u{e9}".as_bytes(),
    b"\xff\xfe",
    b"abababababababababababababababababababababababababababababababababababababababab",
    b"/static/assets/2026/11/23/very/long/path/that/goes/on/and/on/and/on/until/it/ends/with/index.html",
];

/// Numbers as text: borders of 64-bit ints and of doubles, and what only looks like a number.
const NUMBER_TEXTS: [&[u8]; 44] = [
    b"0",
    b"-0",
    b"+5",
    b"5",
    b"007",
    b"42",
    b"-1",
    b"9007199254740991",
    b"9007199254740992",
    b"9007199254740993",
    b"9223372036854775806",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775807",
    b"-9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"99999999999999999999999999999999999999999",
    b"-99999999999999999999999999999999999999999",
    b"0.1",
    b"0.10000000000000000555",
    b"1.5",
    b"4.999999999999999999999999",
    b"5.0",
    b"5e0",
    b"50E-1",
    b"1e3",
    b"1e+308",
    b"1.7976931348623159e308",
    b"-1e400",
    b"1e99999999999999999999",
    b"5e-324",
    b"2e-324",
    b"1e-99999999999999999999",
    b"9007199254740993.0000000000000000001",
    b"5.",
    b".5",
    b"1e",
    b"1e+",
    b"--1",
    b"0x10",
    b"5 ",
    b"inf",
    b"NaN",
];

/// Patterns of each kind that the language has.
pub(super) const PATTERNS: [&str; 42] = [
    "",
    "a*",
    "^",
    "$",
    "^$",
    ".",
    "^.{0,3}$",
    "^/admin",
    "^/a",
    r"\Aabc\z",
    "admin$",
    "passwd$|^abc",
    "^(?:GET|POST)$",
    "(foo|abc|login)",
    "(a|ab)(c|bcd)$",
    "a.c",
    "b.$",
    r"(?i)union\s+select",
    "(?i)SCRIPT",
    "(?i)k|(?i:S)hop",
    "(?i-s:ADMIN.*$)",
    r"\badmin\b",
    r"\Bb",
    r"\b{start}sel",
    r"e\b",
    r"\.\./",
    r"[0-9]{3,}",
    r"[[:alpha:]]+\d",
    r"\d\D\d",
    r"\w+@\w+|\w=\w",
    r"\s$",
    r"^\S+$",
    r"[^\x00-\x7f]",
    r"\x00",
    r"\xff",
    "\u{e9}",
    "(?:t\u{e9})+$",
    "(?m)^b$",
    "(?x) a \\ b # a comment",
    "%[0-9a-f]{2}",
    "(?:ab){3,9}$",
    "[a-z]+(?:/[a-z0-9]+){4}",
];

pub(super) fn word() -> impl Strategy<Value = Vec<u8>> + Clone {
    select(&WORDS[..]).prop_map(<[u8]>::to_vec)
}

pub(super) fn number_text() -> impl Strategy<Value = Vec<u8>> + Clone {
    select(&NUMBER_TEXTS[..]).prop_map(<[u8]>::to_vec)
}

/// What a test compares with: mostly a word or a piece of one.
pub(super) fn literal() -> impl Strategy<Value = Vec<u8>> + Clone {
    prop_oneof![
        6 => word(),
        1 => word().prop_map(|word| word.to_ascii_lowercase()),
        3 => piece(),
        1 => number_text(),
        3 => select(&["a b", "or 1 = 1 --", " select * "][..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => (word(), word()).prop_map(|(left, right)| [left, right].concat()),
        1 => noise(),
    ]
}

/// A substring of a word.
pub(super) fn piece() -> impl Strategy<Value = Vec<u8>> + Clone {
    (word(), any::<Index>(), any::<Index>()).prop_map(|(word, one, other)| {
        let (one, other) = (one.index(word.len() + 1), other.index(word.len() + 1));
        word[one.min(other)..one.max(other)].to_vec()
    })
}

/// A few bytes that mean something to a parser.
pub(super) fn noise() -> impl Strategy<Value = Vec<u8>> + Clone {
    let byte = prop_oneof![
        4 => select(&b"%2fF+&=;?/\\.:#<>' \t\r\n\x0b\0aAz09-_"[..]),
        1 => any::<u8>(),
    ];
    proptest::collection::vec(byte, 0..8)
}

/// A value of a request before anything is done to hide it.
pub(super) fn plain_value() -> impl Strategy<Value = Vec<u8>> + Clone {
    prop_oneof![
        8 => word(),
        3 => number_text(),
        2 => (word(), select(&[" ", "/", ",", "=", ""][..]), word())
            .prop_map(|(left, between, right)| [left, between.as_bytes().to_vec(), right].concat()),
        1 => noise(),
        1 => (0_usize..2000, word(), Just(b"/filler".repeat(9)))
            .prop_map(|(repeat, word, filler)| [b"z".repeat(repeat), word, filler].concat()),
    ]
}
