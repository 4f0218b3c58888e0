//! The parts of HTTP/1.1 that client and upstream read alike.

use std::io::{BufRead, Read};

use anyhow::{Context, Result, bail};

/// Name and value of each header in the order they came.
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// The first value of a header.
pub(crate) fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a [u8]> {
    let mut named = headers
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.as_slice())
}

/// A line without its end; nothing at the end of the connection.
pub(crate) fn read_line(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(line.trim_ascii_end().to_vec()))
}

/// Headers up to the empty line after them.
pub(crate) fn read_headers(reader: &mut impl BufRead) -> Result<Headers> {
    let mut headers = Headers::new();
    loop {
        let line = read_line(reader)?.context("the connection ended within the headers")?;
        if line.is_empty() {
            return Ok(headers);
        }
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (halves.next(), halves.next()) else {
            bail!("`{}` is no header", String::from_utf8_lossy(&line));
        };
        headers.push((
            String::from_utf8_lossy(name).into_owned(),
            value.trim_ascii().to_vec(),
        ));
    }
}

/// The body that these headers announce.
pub(crate) fn read_body(reader: &mut impl BufRead, headers: &Headers) -> Result<Vec<u8>> {
    if header(headers, "transfer-encoding") == Some(b"chunked") {
        return read_chunks(reader);
    }
    let length = std::str::from_utf8(header(headers, "content-length").unwrap_or(b"0"))?;
    read_exactly(reader, length.parse().context("content-length")?)
}

fn read_chunks(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = read_line(reader)?.context("the connection ended within the body")?;
        let size =
            u64::from_str_radix(std::str::from_utf8(&size)?, 16).context("size of a chunk")?;
        body.extend(read_exactly(reader, size)?);
        read_line(reader)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn read_exactly(reader: &mut impl BufRead, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if reader.take(length).read_to_end(&mut bytes)? as u64 != length {
        bail!("the connection ended within the body");
    }
    Ok(bytes)
}
