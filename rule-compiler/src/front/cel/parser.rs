//! Tokens to a tree, by recursive descent with a bound on its depth.

use core::ops::Range;

use super::{
    ast::{Comparator, Expr, ExprKind, Name},
    error::SyntaxError,
    lexer::{Token, TokenKind, tokens},
};
use crate::{
    diagnostic::Code,
    front::limits::{MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_LEN},
};

/// The tree of a whole expression.
pub(crate) fn parse(text: &str) -> Result<Expr, SyntaxError> {
    if text.len() > MAX_EXPRESSION_LEN {
        let message = format!("a condition has at most {MAX_EXPRESSION_LEN} bytes");
        return Err(SyntaxError::new(
            Code::TooLarge,
            0..text.len(),
            message,
            "split it with `all` or `any`, or use a list",
        ));
    }
    let tokens = tokens(text)?;
    let end = Token {
        kind: TokenKind::End,
        range: text.len()..text.len(),
    };
    let mut parser = Parser {
        text,
        tokens: &tokens,
        end: &end,
        at: 0,
        depth: 0,
    };
    let expr = parser.expression()?;
    match &parser.peek().kind {
        TokenKind::End => Ok(expr),
        _ => Err(parser.trailing()),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: &'t [Token],
    end: &'t Token,
    at: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> &'t Token {
        self.tokens.get(self.at).unwrap_or(self.end)
    }

    fn bump(&mut self) -> &'t Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self.peek().kind, TokenKind::Symbol(found) if found == symbol)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        self.at += usize::from(found);
        found
    }

    fn expression(&mut self) -> Result<Expr, SyntaxError> {
        self.nested(|parser| {
            let expr = parser.series("||", ExprKind::Any, |parser| {
                parser.series("&&", ExprKind::All, Self::relation)
            })?;
            if parser.is("?") {
                let help = "write `a && b || !a && c` for `a ? b : c`";
                return Err(SyntaxError::unsupported(
                    parser.peek().range.clone(),
                    "the conditional `? :` is",
                    help,
                ));
            }
            Ok(expr)
        })
    }

    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        self.depth += 1;
        self.check_depth(self.depth)?;
        let parsed = parse(self)?;
        self.depth -= 1;
        Ok(parsed)
    }

    fn check_depth(&self, depth: usize) -> Result<(), SyntaxError> {
        if depth <= MAX_EXPRESSION_DEPTH {
            return Ok(());
        }
        let message = format!("a condition is nested at most {MAX_EXPRESSION_DEPTH} deep");
        Err(SyntaxError::new(
            Code::TooLarge,
            self.peek().range.clone(),
            message,
            "split it with `all`, `any` and `not`",
        ))
    }

    /// `a && b && c` as one node, so that long ones are not deep.
    fn series(
        &mut self,
        operator: &str,
        kind: fn(Vec<Expr>) -> ExprKind,
        mut operand: impl FnMut(&mut Self) -> Result<Expr, SyntaxError>,
    ) -> Result<Expr, SyntaxError> {
        let first = operand(self)?;
        if !self.is(operator) {
            return Ok(first);
        }
        let start = first.range.start;
        let mut operands = vec![first];
        while self.take(operator) {
            operands.push(operand(self)?);
        }
        let end = operands.last().map_or(start, |last| last.range.end);
        Ok(Expr {
            range: start..end,
            kind: kind(operands),
        })
    }

    fn relation(&mut self) -> Result<Expr, SyntaxError> {
        let left = self.operand()?;
        let Some(relation) = self.relation_operator() else {
            return Ok(left);
        };
        let right = self.operand()?;
        let after = self.at;
        if self.relation_operator().is_some() {
            let range = self
                .tokens
                .get(after)
                .map_or(left.range, |token| token.range.clone());
            let help = "write `a < b && b < c` for `a < b < c`";
            return Err(SyntaxError::unsupported(
                range,
                "a chain of comparisons is",
                help,
            ));
        }
        let range = left.range.start..right.range.end;
        let (left, right) = (Box::new(left), Box::new(right));
        let kind = match relation {
            Relation::Compare(comparator) => ExprKind::Compare {
                left,
                comparator,
                right,
            },
            Relation::In => ExprKind::In { left, right },
        };
        Ok(Expr { range, kind })
    }

    fn relation_operator(&mut self) -> Option<Relation> {
        let relation = match &self.peek().kind {
            TokenKind::In => Relation::In,
            TokenKind::Symbol("==") => Relation::Compare(Comparator::Equal),
            TokenKind::Symbol("!=") => Relation::Compare(Comparator::NotEqual),
            TokenKind::Symbol("<") => Relation::Compare(Comparator::Less),
            TokenKind::Symbol("<=") => Relation::Compare(Comparator::LessOrEqual),
            TokenKind::Symbol(">") => Relation::Compare(Comparator::Greater),
            TokenKind::Symbol(">=") => Relation::Compare(Comparator::GreaterOrEqual),
            _ => return None,
        };
        self.at += 1;
        Some(relation)
    }

    fn operand(&mut self) -> Result<Expr, SyntaxError> {
        let operand = self.unary()?;
        match &self.peek().kind {
            TokenKind::Symbol("+" | "-" | "*" | "/" | "%") => Err(self.arithmetic()),
            _ => Ok(operand),
        }
    }

    fn arithmetic(&self) -> SyntaxError {
        let help = "compare an attribute with a constant: do the sum by hand";
        SyntaxError::unsupported(self.peek().range.clone(), "arithmetic is", help)
    }

    fn unary(&mut self) -> Result<Expr, SyntaxError> {
        let start = self.peek().range.start;
        if self.take("!") {
            let inner = self.nested(Self::unary)?;
            return Ok(Expr {
                range: start..inner.range.end,
                kind: ExprKind::Not(Box::new(inner)),
            });
        }
        if self.is("-") {
            return self.negative();
        }
        self.postfix()
    }

    /// `-` belongs to a number that follows it; any other use is arithmetic.
    fn negative(&mut self) -> Result<Expr, SyntaxError> {
        let error = self.arithmetic();
        let start = self.bump().range.start;
        let token = self.bump();
        let range = start..token.range.end;
        let kind = match token.kind {
            TokenKind::Int(magnitude) => ExprKind::Int(
                0_i64
                    .checked_sub_unsigned(magnitude)
                    .ok_or_else(|| too_large(range.clone()))?,
            ),
            TokenKind::Double(double) => ExprKind::Double(-double),
            _ => return Err(error),
        };
        Ok(Expr { range, kind })
    }

    fn postfix(&mut self) -> Result<Expr, SyntaxError> {
        let mut expr = self.primary()?;
        let mut links = 0;
        loop {
            if self.take(".") {
                expr = self.member(expr)?;
            } else if self.take("[") {
                let index = self.expression()?;
                let end = self.close("]", "`[`")?;
                expr = Expr {
                    range: expr.range.start..end,
                    kind: ExprKind::Index(Box::new(expr), Box::new(index)),
                };
            } else if self.is("{") {
                return Err(self.map());
            } else {
                return Ok(expr);
            }
            links += 1;
            self.check_depth(self.depth + links)?;
        }
    }

    fn member(&mut self, target: Expr) -> Result<Expr, SyntaxError> {
        if self.is("?") {
            return Err(SyntaxError::unsupported(
                self.peek().range.clone(),
                "optional selection `.?` is",
                "write `has(a)` to ask for presence",
            ));
        }
        let token = self.bump();
        let text = match &token.kind {
            TokenKind::Ident(text) => text.clone(),
            TokenKind::In => "in".to_owned(),
            _ => return Err(self.expected(token, "a name after the `.`")),
        };
        let name = Name {
            text,
            range: token.range.clone(),
        };
        let start = target.range.start;
        if !self.take("(") {
            return Ok(Expr {
                range: start..name.range.end,
                kind: ExprKind::Select(Box::new(target), name),
            });
        }
        let (arguments, end) = self.items(")", "`(`")?;
        Ok(Expr {
            range: start..end,
            kind: ExprKind::Call {
                target: Some(Box::new(target)),
                name,
                arguments,
            },
        })
    }

    fn primary(&mut self) -> Result<Expr, SyntaxError> {
        let token = self.bump();
        let range = token.range.clone();
        let kind = match &token.kind {
            TokenKind::Bool(value) => ExprKind::Bool(*value),
            TokenKind::Int(value) => {
                ExprKind::Int(i64::try_from(*value).map_err(|_| too_large(range.clone()))?)
            }
            TokenKind::Double(value) => ExprKind::Double(*value),
            TokenKind::String(value) => ExprKind::String(value.clone()),
            TokenKind::Ident(word) => return self.word(word, range),
            TokenKind::Symbol("(") => return self.parenthesised(),
            TokenKind::Symbol("[") => {
                let (items, end) = self.items("]", "`[`")?;
                return Ok(Expr {
                    range: range.start..end,
                    kind: ExprKind::List(items),
                });
            }
            TokenKind::Symbol("{") => {
                self.at -= 1;
                return Err(self.map());
            }
            TokenKind::Null => {
                return Err(SyntaxError::unsupported(
                    range,
                    "`null` is",
                    "write `has(a)` or `!has(a)` to ask for presence",
                ));
            }
            TokenKind::In | TokenKind::End | TokenKind::Symbol(_) => {
                return Err(self.expected(token, "an attribute, a function or a constant"));
            }
        };
        Ok(Expr { range, kind })
    }

    fn word(&mut self, word: &str, range: Range<usize>) -> Result<Expr, SyntaxError> {
        if !self.take("(") {
            return Ok(Expr {
                range,
                kind: ExprKind::Ident(word.to_owned()),
            });
        }
        let name = Name {
            text: word.to_owned(),
            range: range.clone(),
        };
        let (arguments, end) = self.items(")", "`(`")?;
        Ok(Expr {
            range: range.start..end,
            kind: ExprKind::Call {
                target: None,
                name,
                arguments,
            },
        })
    }

    fn parenthesised(&mut self) -> Result<Expr, SyntaxError> {
        let inner = self.expression()?;
        self.close(")", "`(`")?;
        Ok(inner)
    }

    /// Expressions between commas up to a bracket, which may follow a last comma.
    fn items(&mut self, close: &str, open: &str) -> Result<(Vec<Expr>, usize), SyntaxError> {
        let mut items = Vec::new();
        while !self.is(close) {
            items.push(self.expression()?);
            if !self.take(",") {
                break;
            }
        }
        Ok((items, self.close(close, open)?))
    }

    fn close(&mut self, symbol: &str, open: &str) -> Result<usize, SyntaxError> {
        let token = self.peek();
        if self.take(symbol) {
            return Ok(token.range.end);
        }
        Err(self.expected(token, &format!("`{symbol}` to close {open}")))
    }

    fn map(&self) -> SyntaxError {
        SyntaxError::unsupported(
            self.peek().range.clone(),
            "a map or message `{..}` is",
            "compare attributes one by one, joined with `&&`",
        )
    }

    fn expected(&self, found: &Token, wanted: &str) -> SyntaxError {
        let (message, help) = match found.kind {
            TokenKind::End if self.text.trim().is_empty() => {
                ("the condition is empty".to_owned(), "write one, or `true`")
            }
            TokenKind::End => (
                format!("the condition ends where {wanted} is expected"),
                "finish it, or quote it if YAML cut it off",
            ),
            _ => (
                format!("{wanted} is expected here"),
                "check the brackets and operators before it",
            ),
        };
        SyntaxError::new(Code::ExpressionSyntax, found.range.clone(), message, help)
    }

    /// Whether the word before a place is one that other languages negate with.
    fn is_after_not(&self, place: usize) -> bool {
        let before = self.text.get(..place).unwrap_or("").trim_end();
        let word = before
            .rsplit(|character: char| !character.is_alphanumeric())
            .next();
        word.is_some_and(|word| word.eq_ignore_ascii_case("not"))
    }

    /// Something follows an expression that is complete.
    fn trailing(&self) -> SyntaxError {
        let token = self.peek();
        let help = match &token.kind {
            TokenKind::Symbol("=") => "write `==` to compare",
            TokenKind::Symbol(")" | "]" | "}") => "delete it, or add the bracket that it closes",
            TokenKind::Ident(word) if word.eq_ignore_ascii_case("and") => "write `&&`",
            TokenKind::Ident(word) if word.eq_ignore_ascii_case("or") => "write `||`",
            TokenKind::Ident(word) if word.eq_ignore_ascii_case("not") => {
                "write `!`, as in `!(a in b)`"
            }
            _ if self.is_after_not(token.range.start) => "write `!`, as in `!(a in b)`",
            _ => "join conditions with `&&` or `||`",
        };
        SyntaxError::new(
            Code::ExpressionSyntax,
            token.range.clone(),
            "an operator is expected here",
            help,
        )
    }
}

enum Relation {
    Compare(Comparator),
    In,
}

fn too_large(range: Range<usize>) -> SyntaxError {
    SyntaxError::new(
        Code::InvalidNumber,
        range,
        "the number does not fit 64 bits",
        "write it as a double, such as `1e20`",
    )
}
