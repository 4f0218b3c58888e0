//! Text to tokens.

use core::ops::Range;

use super::{error::SyntaxError, literal::read_string};
use crate::{diagnostic::Code, front::text::quoted};

/// A token with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) range: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    /// A word that is no keyword.
    Ident(String),
    /// `true`, `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// `in`.
    In,
    /// Without its sign: `-` before it is a token of its own.
    Int(u64),
    /// Finite.
    Double(f64),
    /// Its value.
    String(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// Longer ones first.
const SYMBOLS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", "{", "}", ".", ",", "?",
    ":", "+", "-", "*", "/", "%", "=",
];

/// All tokens of a text; the last one is [`TokenKind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += white_space(text.get(at..).unwrap_or(""));
        let token = token(text, at)?;
        at = token.range.end;
        let ended = token.kind == TokenKind::End;
        tokens.push(token);
        if ended {
            return Ok(tokens);
        }
    }
}

fn white_space(rest: &str) -> usize {
    rest.len()
        - rest
            .trim_start_matches([' ', '\t', '\n', '\r', '\u{c}'])
            .len()
}

fn token(text: &str, start: usize) -> Result<Token, SyntaxError> {
    let rest = text.get(start..).unwrap_or("");
    let mut characters = rest.chars();
    let Some(first) = characters.next() else {
        // The last line break of a block belongs to nothing that a caret could point at.
        let end = text.trim_end().len();
        return Ok(Token {
            kind: TokenKind::End,
            range: end..end,
        });
    };
    let second = characters.next();
    let quote = |character: Option<char>| matches!(character, Some('"' | '\''));
    if quote(Some(first)) || (matches!(first, 'r' | 'R') && quote(second)) {
        let (value, end) = read_string(text, start)?;
        return Ok(Token {
            kind: TokenKind::String(value),
            range: start..end,
        });
    }
    if matches!(first, 'b' | 'B') && quote(second) {
        return Err(SyntaxError::unsupported(
            start..start + 2,
            "a bytes literal is",
            "leave the `b` out: strings are bytes here",
        ));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        return Ok(word(rest, start));
    }
    if first.is_ascii_digit() {
        return number(rest, start);
    }
    symbol(rest, start, first)
}

fn word(rest: &str, start: usize) -> Token {
    let length = rest
        .bytes()
        .take_while(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
        .count();
    let word = rest.get(..length).unwrap_or("");
    let kind = match word {
        "true" => TokenKind::Bool(true),
        "false" => TokenKind::Bool(false),
        "null" => TokenKind::Null,
        "in" => TokenKind::In,
        _ => TokenKind::Ident(word.to_owned()),
    };
    Token {
        kind,
        range: start..start + length,
    }
}

fn number(rest: &str, start: usize) -> Result<Token, SyntaxError> {
    let length = number_length(rest);
    let range = start..start + length;
    let written = rest.get(..length).unwrap_or("");
    if written.ends_with(['u', 'U']) {
        let help = "leave the `u` out: integers have 64 bits and a sign";
        return Err(SyntaxError::unsupported(
            range,
            "an unsigned number is",
            help,
        ));
    }
    let digits = written
        .strip_prefix("0x")
        .or_else(|| written.strip_prefix("0X"));
    let kind = match digits {
        Some(digits) => integer(digits, 16),
        None => integer(written, 10).or_else(|| {
            let double: f64 = written.parse().ok()?;
            (double.is_finite() && !is_integer(written, 10)).then_some(TokenKind::Double(double))
        }),
    };
    let too_large = is_integer(
        digits.unwrap_or(written),
        if digits.is_some() { 16 } else { 10 },
    );
    let (message, help) = if too_large {
        (
            "does not fit 64 bits",
            "write it as a double, such as `1e20`",
        )
    } else {
        (
            "is not a number",
            "write it like `5`, `-5`, `0x1f`, `0.5` or `1e9`",
        )
    };
    let error = || {
        SyntaxError::new(
            Code::InvalidNumber,
            range.clone(),
            format!("{} {message}", quoted(written)),
            help,
        )
    };
    Ok(Token {
        kind: kind.ok_or_else(error)?,
        range: range.clone(),
    })
}

fn integer(digits: &str, radix: u32) -> Option<TokenKind> {
    u64::from_str_radix(digits, radix)
        .ok()
        .filter(|_| is_integer(digits, radix))
        .map(TokenKind::Int)
}

/// Digits alone: what the standard library parses may have a sign too.
fn is_integer(digits: &str, radix: u32) -> bool {
    !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix))
}

/// Digits, letters, a point before a digit, and the sign of an exponent: all that could have been meant as one number.
fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
    let part_of_number = |at: usize| {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let before = byte(at.wrapping_sub(1));
        byte(at).is_ascii_alphanumeric()
            || byte(at) == b'_'
            || (byte(at) == b'.' && byte(at + 1).is_ascii_digit())
            || (matches!(byte(at), b'+' | b'-')
                && matches!(before, b'e' | b'E')
                && !hexadecimal
                && byte(at + 1).is_ascii_digit())
    };
    (0..bytes.len())
        .take_while(|&at| part_of_number(at))
        .count()
}

fn symbol(rest: &str, start: usize, first: char) -> Result<Token, SyntaxError> {
    if rest.starts_with("//") {
        let help = "put the comment after ` #`, outside of the condition";
        return Err(SyntaxError::unsupported(
            start..start + 2,
            "a comment inside of a condition is",
            help,
        ));
    }
    if let Some(&symbol) = SYMBOLS.iter().find(|&&symbol| rest.starts_with(symbol)) {
        return Ok(Token {
            kind: TokenKind::Symbol(symbol),
            range: start..start + symbol.len(),
        });
    }
    let range = start..start + first.len_utf8();
    let (message, help) = match first {
        '&' => ("a single `&`".to_owned(), "write `&&`"),
        '|' => ("a single `|`".to_owned(), "write `||`"),
        '“' | '”' | '‘' | '’' => (
            format!("{first} does not quote a string"),
            "write the straight quotes `\"` or `'`",
        ),
        _ => (
            format!("{} has no meaning here", quoted(&first.to_string())),
            "put text into quotes",
        ),
    };
    Err(SyntaxError::new(
        Code::ExpressionSyntax,
        range,
        message,
        help,
    ))
}

#[cfg(test)]
mod tests {
    use super::{TokenKind, tokens};
    use crate::diagnostic::Code;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text)
            .expect(text)
            .into_iter()
            .map(|token| token.kind)
            .collect()
    }

    #[test]
    fn numbers() {
        let cases = [
            ("0", TokenKind::Int(0)),
            ("9223372036854775808", TokenKind::Int(1 << 63)),
            ("0x1F", TokenKind::Int(31)),
            ("1.5", TokenKind::Double(1.5)),
            ("1e3", TokenKind::Double(1000.0)),
            ("2.5E-1", TokenKind::Double(0.25)),
        ];
        for (text, expected) in cases {
            assert_eq!(kinds(text), [expected, TokenKind::End], "{text}");
        }
        for text in [
            "5abc",
            "1e",
            "1e999",
            "0x",
            "0xg",
            "1_000",
            "1.2.3",
            "99999999999999999999",
        ] {
            assert_eq!(
                tokens(text).expect_err(text).code,
                Code::InvalidNumber,
                "{text}"
            );
        }
        assert_eq!(
            tokens("5u").expect_err("unsigned").code,
            Code::UnsupportedConstruct
        );
    }

    #[test]
    fn symbols_and_words() {
        use TokenKind::{Bool, End, Ident, In, Null, String, Symbol};
        assert_eq!(
            kinds("a.b<=!true in null\n'x'"),
            [
                Ident("a".into()),
                Symbol("."),
                Ident("b".into()),
                Symbol("<="),
                Symbol("!"),
                Bool(true),
                In,
                Null,
                String("x".into()),
                End
            ]
        );
        assert_eq!(kinds("r"), [Ident("r".into()), End]);
    }

    #[test]
    fn what_has_no_meaning() {
        for text in ["a & b", "a | b", "“x”", "ü", "a # b", "a ~ b", "\u{a0}"] {
            assert_eq!(
                tokens(text).expect_err(text).code,
                Code::ExpressionSyntax,
                "{text}"
            );
        }
        for text in ["a // b", "b'x'"] {
            assert_eq!(
                tokens(text).expect_err(text).code,
                Code::UnsupportedConstruct,
                "{text}"
            );
        }
    }
}
