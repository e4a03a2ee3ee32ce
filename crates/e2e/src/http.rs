//! A small blocking HTTP/1.1 client that shows everything: status, headers as sent, body, times.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::wait;

/// The longest answer to wait for: three target durations of the longest hold, and some.
const TIMEOUT: Duration = Duration::from_secs(40);

/// One request on a connection of its own.
#[derive(Debug, Clone)]
pub struct Request {
    address: SocketAddr,
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body with its transfer coding removed.
    pub body: Vec<u8>,
    /// From sending the request to the first byte of the answer.
    pub first_byte: Duration,
    /// From sending the request to the last byte of the answer.
    pub whole: Duration,
}

impl Request {
    /// A GET of a path with its query.
    pub fn get(address: SocketAddr, target: &str) -> Self {
        let (target, headers, body) = (target.to_owned(), Vec::new(), String::new());
        Self { address, method: "GET", target, headers, body }
    }

    /// The same with another method.
    #[must_use]
    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it a body of text.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: &str) -> Self {
        body.clone_into(&mut self.body);
        let length = body.len().to_string();
        self.header("content-type", media_type).header("content-length", &length)
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// When the connection fails or the answer is not HTTP.
    pub fn send(&self) -> anyhow::Result<Response> {
        let Self { address, method, target, body, .. } = self;
        let mut stream = TcpStream::connect_timeout(address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        let started = wait::now();
        stream.write_all((self.head() + body).as_bytes())?;
        let mut reader = BufReader::new(stream);
        ensure!(!reader.fill_buf()?.is_empty(), "{method} {target}: closed without an answer");
        let first_byte = started.elapsed();
        let (status, headers) = read_head(&mut reader)?;
        let mut response =
            Response { status, headers, body: Vec::new(), first_byte, whole: first_byte };
        if *method != "HEAD" && status != 204 && status != 304 {
            response.body = read_body(&mut reader, &response)
                .with_context(|| format!("body of {method} {target} ({status})"))?;
        }
        response.whole = started.elapsed();
        Ok(response)
    }

    fn head(&self) -> String {
        let Self { address, method, target, headers, .. } = self;
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "connection: close\r\n\r\n"
    }
}

impl Response {
    /// The value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a header, by its lower-case name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}

fn read_head(reader: &mut impl BufRead) -> anyhow::Result<(u16, Vec<(String, String)>)> {
    let status_line = read_line(reader)?;
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("status line `{status_line}`"))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(':').with_context(|| format!("header `{line}`"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_body(reader: &mut impl BufRead, response: &Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    if response.header("transfer-encoding") == Some("chunked") {
        loop {
            let line = read_line(reader)?;
            let length = usize::from_str_radix(&line, 16).context("chunk length")?;
            let start = body.len();
            body.resize(start + length, 0);
            reader.read_exact(&mut body[start..])?;
            ensure!(read_line(reader)?.is_empty(), "a chunk ends with a line end");
            if length == 0 {
                return Ok(body);
            }
        }
    }
    match response.header("content-length") {
        Some(length) => {
            body.resize(length.parse().context("content-length")?, 0);
            reader.read_exact(&mut body)?;
        }
        None => {
            reader.read_to_end(&mut body)?;
        }
    }
    Ok(body)
}

fn read_line(reader: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        bail!("the answer ends in its head");
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_answer_is_put_together() {
        let mut wire =
            &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"[..];
        let (status, headers) = read_head(&mut wire).unwrap();
        let whole = Duration::ZERO;
        let response = Response { status, headers, body: Vec::new(), first_byte: whole, whole };
        assert_eq!((status, read_body(&mut wire, &response).unwrap()), (200, b"abc".to_vec()));
    }

    #[test]
    fn an_answer_cut_short_is_an_error() {
        let mut wire = &b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"[..];
        let (status, headers) = read_head(&mut wire).unwrap();
        let whole = Duration::ZERO;
        let response = Response { status, headers, body: Vec::new(), first_byte: whole, whole };
        assert!(read_body(&mut wire, &response).is_err());
    }
}
