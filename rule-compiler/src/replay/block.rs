//! Traffic in blocks of whole lines.

use std::io::{self, BufRead, Read as _};

use super::LineError;

/// A longer line is no request: a body has its limit long before.
pub const LINE_LEN_MAX: usize = 16 << 20;

/// A block ends when it has so many lines or bytes. It does not depend on the machine, and so neither does what is told.
const BLOCK_LINES: usize = 4_096;
const BLOCK_BYTES: usize = 1 << 20;

/// Some lines that follow each other.
#[derive(Debug, Default)]
pub(super) struct Block {
    first_line: u64,
    bytes: Vec<u8>,
    /// Where lines end in `bytes`, with their line breaks; the last may have none.
    ends: Vec<usize>,
    /// Bytes of lines that were too long to be kept.
    skipped: u64,
}

/// The next block; none at the end.
pub(super) fn read_block(traffic: &mut impl BufRead, first_line: u64) -> io::Result<Option<Block>> {
    let mut block = Block {
        first_line,
        ..Block::default()
    };
    while block.ends.len() < BLOCK_LINES && block.bytes.len() < BLOCK_BYTES {
        let start = block.bytes.len();
        let limit = LINE_LEN_MAX as u64 + 1;
        let read = traffic
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut block.bytes)?;
        if read == 0 {
            break;
        }
        if read > LINE_LEN_MAX && block.bytes.last() != Some(&b'\n') {
            // Of a line that is too long, one byte more than is allowed says so.
            block.bytes.truncate(start + LINE_LEN_MAX + 1);
            block.skipped += skip_line(traffic)?;
        }
        block.ends.push(block.bytes.len());
    }
    Ok((!block.ends.is_empty()).then_some(block))
}

/// Reads up to the end of the line, keeping nothing.
fn skip_line(traffic: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let (used, is_end) = {
            let buffer = traffic.fill_buf()?;
            match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            }
        };
        traffic.consume(used);
        skipped += used as u64;
        if is_end {
            return Ok(skipped);
        }
    }
}

impl Block {
    pub(super) fn line_count(&self) -> u64 {
        self.ends.len() as u64
    }

    pub(super) fn byte_count(&self) -> u64 {
        self.bytes.len() as u64 + self.skipped
    }

    /// The lines that are not empty, with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u64, Result<&[u8], LineError>)> {
        let numbers = self.first_line..self.first_line + self.line_count();
        numbers.filter_map(|number| {
            let line = self.line(number)?.trim_ascii();
            if line.len() > LINE_LEN_MAX {
                return Some((number, Err(LineError::TooLong)));
            }
            (!line.is_empty()).then_some((number, Ok(line)))
        })
    }

    /// A line by its number.
    pub(super) fn line(&self, number: u64) -> Option<&[u8]> {
        let index = usize::try_from(number.checked_sub(self.first_line)?).ok()?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(start..*self.ends.get(index)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(traffic: &[u8]) -> Vec<Block> {
        let mut traffic = io::BufReader::with_capacity(7, traffic);
        let mut blocks = Vec::new();
        let mut line = 1;
        while let Some(block) = read_block(&mut traffic, line).unwrap() {
            line += block.line_count();
            blocks.push(block);
        }
        blocks
    }

    #[test]
    fn lines_keep_their_numbers_over_blocks() {
        let line = |number: usize| match number % 3 {
            0 => String::new(),
            _ => format!(" {number}\r"),
        };
        let count = 2 * BLOCK_LINES + 5;
        let text: Vec<String> = (1..=count).map(line).collect();
        let blocks = blocks(text.join("\n").as_bytes());
        assert_eq!(blocks.len(), 3);
        let found: Vec<(u64, String)> = blocks
            .iter()
            .flat_map(Block::lines)
            .map(|(number, line)| (number, String::from_utf8(line.unwrap().to_vec()).unwrap()))
            .collect();
        assert_eq!(found.len(), count - count / 3);
        assert!(
            found
                .iter()
                .all(|(number, line)| number.to_string() == *line)
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_named_and_passed_over() {
        let long = vec![b'x'; LINE_LEN_MAX + 10];
        let traffic = [b"a\n".as_slice(), &long, b"\nb"].concat();
        let blocks = blocks(&traffic);
        let lines: Vec<(u64, bool)> = blocks
            .iter()
            .flat_map(Block::lines)
            .map(|(number, line)| (number, line.is_ok()))
            .collect();
        assert_eq!(lines, [(1, true), (2, false), (3, true)]);
        let bytes: u64 = blocks.iter().map(Block::byte_count).sum();
        assert_eq!(bytes, traffic.len() as u64);
        assert!(
            blocks
                .iter()
                .all(|block| block.bytes.len() <= LINE_LEN_MAX + BLOCK_BYTES)
        );
    }
}
