//! Reads what rules ask for out of a JSON text (RFC 8259): one walk from front to back, without recursion.
//!
//! The whole text is checked, whatever is asked of it: UTF-8, grammar, nothing behind the value. A byte order mark before
//! it is skipped, as the RFC allows.

mod pointers;
mod text;

use alloc::vec::Vec;

pub use pointers::{MAX_POINTERS, MAX_TOKENS, is_pointer};
pub(crate) use pointers::{NodeId, Pointers};
pub(crate) use text::Scalar;

use crate::names::NameId;
use text::Text;

/// Objects and arrays that are nested deeper make a text unreadable.
pub const MAX_DEPTH: usize = 128;

/// A step is one pointer followed into one value. Where pointers with `*` and with indexes lead to the same values, a short
/// text could ask for very many: one that takes more steps than these, and [`STEPS_EACH_BYTE`] for each of its bytes, is unreadable.
pub(crate) const FREE_STEPS: usize = 65_536;

/// Of a text that is long. What one pointer with `*` finds takes half a step a byte at most.
pub(crate) const STEPS_EACH_BYTE: usize = 4;

/// The memory of a walk, used again by the next one.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// The objects and arrays that are open.
    frames: Vec<Frame>,
    /// What the open values are to the pointers, from the outermost in.
    nodes: Vec<NodeId>,
    /// The name of a member that has escapes.
    name: Vec<u8>,
    /// That are left.
    steps: usize,
}

/// An object or an array that is open.
#[derive(Debug, Clone, Copy)]
struct Frame {
    is_object: bool,
    /// Of the element that was begun last.
    index: u32,
    /// Where in `nodes` its own stand; those of its element begin where they end.
    start: usize,
    end: usize,
}

/// Calls `take` with each scalar but null that a pointer names, in the order of the text; a text that is none gives
/// nothing after all, and what was taken before has to be forgotten.
pub(crate) fn walk<'t>(
    bytes: &'t [u8],
    pointers: &Pointers,
    walked: &mut Walked,
    mut take: impl FnMut(NameId, Scalar<'t>),
) -> Option<()> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut text = Text::new(core::str::from_utf8(bytes).ok()?);
    walked.frames.clear();
    walked.nodes.clear();
    walked.nodes.push(Pointers::ROOT);
    walked.steps = STEPS_EACH_BYTE * bytes.len() + FREE_STEPS;
    loop {
        text.skip_space();
        match text.peek()? {
            open @ (b'{' | b'[') => {
                text.step();
                if walked.open(open == b'{', &mut text, pointers)? {
                    continue;
                }
            }
            _ => {
                let scalar = text.scalar()?;
                walked.take_steps(walked.current().len())?;
                for node in walked.current() {
                    if let (Some(name), Some(scalar)) = (pointers.name(*node), scalar) {
                        take(name, scalar);
                    }
                }
            }
        }
        if walked.close(&mut text, pointers)? {
            return text.is_at_end().then_some(());
        }
    }
}

impl Walked {
    /// Nothing if there are not so many left.
    fn take_steps(&mut self, count: usize) -> Option<()> {
        self.steps = self.steps.checked_sub(count)?;
        Some(())
    }

    /// The nodes of the value that is read.
    fn current(&self) -> &[NodeId] {
        let start = self.frames.last().map_or(0, |frame| frame.end);
        self.nodes.get(start..).unwrap_or_default()
    }

    /// Begins an object or array, and says whether it has anything: then its first value comes next.
    fn open(&mut self, is_object: bool, text: &mut Text<'_>, pointers: &Pointers) -> Option<bool> {
        if self.frames.len() == MAX_DEPTH {
            return None;
        }
        self.frames.push(Frame {
            is_object,
            index: 0,
            start: self.frames.last().map_or(0, |frame| frame.end),
            end: self.nodes.len(),
        });
        text.skip_space();
        if text.peek()? == if is_object { b'}' } else { b']' } {
            return Some(false);
        }
        self.begin_element(text, pointers)?;
        Some(true)
    }

    /// Ends the value that was read and whatever ends with it, and begins the next; true if there is none.
    fn close(&mut self, text: &mut Text<'_>, pointers: &Pointers) -> Option<bool> {
        loop {
            let Some(frame) = self.frames.last_mut() else {
                return Some(true);
            };
            self.nodes.truncate(frame.end);
            text.skip_space();
            match (text.peek()?, frame.is_object) {
                (b'}', true) | (b']', false) => {
                    text.step();
                    self.frames.pop();
                }
                (b',', _) => {
                    text.step();
                    frame.index = frame.index.saturating_add(1);
                    text.skip_space();
                    self.begin_element(text, pointers)?;
                    return Some(false);
                }
                _ => return None,
            }
        }
    }

    /// Reads the name of a member, and finds out what its value, or the element of the array, is to the pointers.
    fn begin_element(&mut self, text: &mut Text<'_>, pointers: &Pointers) -> Option<()> {
        let frame = *self.frames.last()?;
        let own = frame.start..frame.end;
        self.take_steps(own.len())?;
        if !frame.is_object {
            for at in own {
                let node = *self.nodes.get(at)?;
                self.nodes.extend(pointers.elements(node, frame.index));
            }
            return Some(());
        }
        let name = text.string()?;
        text.skip_space();
        text.expect(b':')?;
        if own.is_empty() {
            return Some(());
        }
        self.name.clear();
        name.append_to(&mut self.name);
        for at in own {
            let node = *self.nodes.get(at)?;
            self.nodes.extend(pointers.member(node, &self.name));
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::attributes::{Attribute, Attributes, Base};
    use crate::names::Names;
    use crate::strings::{Strings, StringsWriter};

    /// What pointers find in a text, as `pointer=value` in the order of the text, each followed by `|`.
    fn found(pointers: &[&str], text: &[u8]) -> Option<String> {
        let mut writer = StringsWriter::default();
        let transforms = writer.intern(b"");
        let keys: Vec<u32> = pointers
            .iter()
            .map(|p| writer.intern(p.as_bytes()))
            .collect();
        let strings = Strings::read(&writer.write().as_slice().into()).unwrap();
        let attribute = |key: &u32| Attribute {
            base: Base::BodyJson,
            key: *key,
            transforms,
        };
        let attributes: Vec<Attribute> = keys.iter().map(attribute).collect();
        let attributes = crate::attributes::write(&attributes);
        let attributes = Attributes::read(&attributes.as_slice().into(), &strings).unwrap();
        let (names, _) = Names::new(Base::BodyJson, &attributes, &strings, |_| false);
        let texts: Vec<u32> = names.texts().collect();
        let mut all = String::new();
        let pointers = Pointers::new(&names, &strings);
        walk(text, &pointers, &mut Walked::default(), |name, scalar| {
            let mut value = Vec::new();
            scalar.append_to(&mut value);
            let pointer = strings.text(texts[name as usize]);
            all += &format!("{pointer}={}|", value.escape_ascii());
        })?;
        Some(all)
    }

    #[test]
    fn pointers_find_scalars() {
        let cases: [(&[&str], &str, &str); 22] = [
            (&[""], "\"a\"", "=a|"),
            (&[""], " 12 ", "=12|"),
            (&[""], "null", ""),
            (&[""], "{}", ""),
            (&["/a"], r#"{"a":"x"}"#, "/a=x|"),
            (&["/a"], r#"{"a":{"a":"x"},"b":"y"}"#, ""),
            (&["/a/b"], r#"{"a":{"b":1},"b":2}"#, "/a/b=1|"),
            (&["/a", "/b"], r#"{"b":2,"a":1}"#, "/b=2|/a=1|"),
            (&["/a"], r#"{"a":1,"a":[2],"a":3}"#, "/a=1|/a=3|"),
            (&["/a"], r#"{"a":null,"a":true}"#, "/a=true|"),
            (&["/a"], r#"{"A":1,"\u0061":2}"#, "/a=2|"),
            (&["/"], r#"{"":1}"#, "/=1|"),
            (
                &["/a~1b", "/~0~1"],
                r#"{"a/b":1,"~/":2}"#,
                "/a~1b=1|/~0~1=2|",
            ),
            (&["/0"], r#"["x","y"]"#, "/0=x|"),
            (&["/1", "/01", "/-"], r#"["x","y"]"#, "/1=y|"),
            (&["/01"], r#"{"01":1,"1":2}"#, "/01=1|"),
            (&["/*"], r#"["x",[],"y",null]"#, "/*=x|/*=y|"),
            (&["/*"], r#"{"*":1,"a":2}"#, "/*=1|"),
            (&["/*", "/1"], "[1,2,3]", "/*=1|/1=2|/*=2|/*=3|"),
            (
                &["/*/a", "/1/*"],
                r#"[{"a":1},{"a":2,"*":3},[4]]"#,
                "/*/a=1|/*/a=2|/1/*=3|",
            ),
            (
                &["/a/*/b"],
                r#"{"a":[{"b":1},{"c":2},{"b":3}]}"#,
                "/a/*/b=1|/a/*/b=3|",
            ),
            (&["/a/b"], r#"{"a":1,"b":2}"#, ""),
        ];
        for (pointers, text, expected) in cases {
            let found = found(pointers, text.as_bytes());
            assert_eq!(found.as_deref(), Some(expected), "{pointers:?} in {text}");
        }
    }

    #[test]
    fn scalars_keep_their_text_and_strings_are_unescaped() {
        let cases = [
            ("-0", "-0"),
            ("1.50e+400", "1.50e+400"),
            ("false", "false"),
            (r#""""#, ""),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\u0000\u00E9\u20ac""#, "\0\u{e9}\u{20ac}"),
            (r#""\ud83d\uDE00x""#, "\u{1f600}x"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83dA\n""#, "\u{fffd}A\n"),
            ("\"\u{7f}\u{20ac}\"", "\u{7f}\u{20ac}"),
            ("\u{feff}1", "1"),
        ];
        for (text, expected) in cases {
            let expected = format!("={}|", expected.as_bytes().escape_ascii());
            assert_eq!(found(&[""], text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_text_gives_nothing() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(found(&["/0"], deep(MAX_DEPTH).as_bytes()).is_some());
        let cases: [&[u8]; 46] = [
            b"",
            b" ",
            b"{",
            b"[",
            b"}",
            b"]",
            b"{]",
            b"[}",
            b"[1,]",
            b"[,1]",
            b"[1 2]",
            b"{\"a\"}",
            b"{\"a\":}",
            b"{\"a\":1,}",
            b"{,}",
            b"{a:1}",
            b"{'a':1}",
            b"{1:1}",
            b"{\"a\" 1}",
            b"1 2",
            b"{}{}",
            b"{}x",
            b"nul",
            b"nulll",
            b"True",
            b"NaN",
            b"Infinity",
            b"-",
            b"+1",
            b"01",
            b"1.",
            b".5",
            b"1e",
            b"1e+",
            b"0x1",
            b"\"a",
            b"\"a\nb\"",
            b"\"\\x\"",
            b"\"\\u12\"",
            b"\"\\u12g4\"",
            b"\"\xff\"",
            b"\"\xed\xa0\x80\"",
            b"\xff\xfe1\0",
            b"\xef\xbb\xbf\xef\xbb\xbf1",
            b"// 1\n1",
            b"1\x0c",
        ];
        for text in cases.into_iter().chain([deep(MAX_DEPTH + 1).as_bytes()]) {
            assert_eq!(
                found(&["", "/a", "/0"], text),
                None,
                "{}",
                text.escape_ascii()
            );
        }
    }

    /// All pointers of ten levels of `*` and `0` meet in the first elements of nested arrays.
    #[test]
    fn a_text_that_leads_pointers_to_too_much_is_none() {
        let levels = 10_u32;
        let pointer = |bits: u32| {
            let part = |level| if bits >> level & 1 == 1 { "/*" } else { "/0" };
            (0..levels).map(part).collect::<String>()
        };
        let pointers: Vec<String> = (0..1 << levels).map(pointer).collect();
        let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
        let nested = |count: usize| {
            let (open, close) = ("[".repeat(levels as usize), "]".repeat(levels as usize));
            format!("{open}{}1{close}", "1,".repeat(count - 1))
        };
        let values = |count| {
            let found = found(&pointers, nested(count).as_bytes())?;
            Some(found.matches('|').count())
        };
        // Each element but the first is what half of the pointers name.
        assert_eq!(values(1), Some(1024));
        assert_eq!(values(60), Some(1024 + 59 * 512));
        assert_eq!(values(70), None);
        let few = &["/*/*/*/*/*/*/*/*/*/*", "/0/0/0/0/0/0/0/0/0/*"];
        let long = found(few, nested(200_000).as_bytes()).unwrap();
        assert_eq!(long.matches('|').count(), 400_000);
    }

    #[test]
    fn pointers_are_those_of_the_rfc() {
        let longest = "/a".repeat(MAX_TOKENS);
        for good in ["", "/", "//", "/a", "/~0~1", "/*", "/\u{e9}", &longest] {
            assert!(is_pointer(good.as_bytes()), "{good}");
        }
        let longer = format!("{longest}/");
        for bad in ["a", "#/a", " ", "/~", "/~2", "/a~", "/~01~", &longer] {
            assert!(!is_pointer(bad.as_bytes()), "{bad}");
        }
    }
}
