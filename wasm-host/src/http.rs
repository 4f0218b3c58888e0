//! The callbacks of a request and its response.

use crate::http_stream::{Headers, HttpStream, Message};
use crate::vm::{Action, Error, Vm, len_u32};

/// Picks one direction of an exchange.
type Direction = fn(&mut HttpStream) -> &mut Message;

fn request(stream: &mut HttpStream) -> &mut Message {
    &mut stream.request
}

fn response(stream: &mut HttpStream) -> &mut Message {
    &mut stream.response
}

impl Vm {
    /// `proxy_on_request_headers`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped, as with every callback.
    pub fn request_headers(
        &mut self,
        context_id: u32,
        headers: &[(&[u8], &[u8])],
        end_of_stream: bool,
    ) -> Result<Action, Error> {
        self.proxy_mut().http_stream(context_id).local_response = None;
        let callback = "proxy_on_request_headers";
        self.headers(callback, request, context_id, headers, end_of_stream)
    }

    /// `proxy_on_request_body`: the next chunk. As in Envoy, what the VM held back by [`Action::Pause`] stands before it, and
    /// the length that the VM is told is that of both.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn request_body(
        &mut self,
        context_id: u32,
        chunk: &[u8],
        end_of_stream: bool,
    ) -> Result<Action, Error> {
        let callback = "proxy_on_request_body";
        self.body(callback, request, context_id, chunk, end_of_stream)
    }

    /// `proxy_on_request_trailers`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn request_trailers(
        &mut self,
        context_id: u32,
        trailers: &[(&[u8], &[u8])],
    ) -> Result<Action, Error> {
        self.trailers("proxy_on_request_trailers", request, context_id, trailers)
    }

    /// `proxy_on_response_headers`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn response_headers(
        &mut self,
        context_id: u32,
        headers: &[(&[u8], &[u8])],
        end_of_stream: bool,
    ) -> Result<Action, Error> {
        let callback = "proxy_on_response_headers";
        self.headers(callback, response, context_id, headers, end_of_stream)
    }

    /// `proxy_on_response_body`, as [`Vm::request_body`].
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn response_body(
        &mut self,
        context_id: u32,
        chunk: &[u8],
        end_of_stream: bool,
    ) -> Result<Action, Error> {
        let callback = "proxy_on_response_body";
        self.body(callback, response, context_id, chunk, end_of_stream)
    }

    /// `proxy_on_response_trailers`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn response_trailers(
        &mut self,
        context_id: u32,
        trailers: &[(&[u8], &[u8])],
    ) -> Result<Action, Error> {
        self.trailers("proxy_on_response_trailers", response, context_id, trailers)
    }

    /// `proxy_on_request_metadata`, of HTTP/2. No call can read them.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn request_metadata(&mut self, context_id: u32, count: u32) -> Result<(), Error> {
        let callback = "proxy_on_request_metadata";
        let ignored: Option<u32> = self.run(context_id, callback, (context_id, count))?;
        self.action(ignored);
        Ok(())
    }

    /// `proxy_on_response_metadata`, as [`Vm::request_metadata`].
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn response_metadata(&mut self, context_id: u32, count: u32) -> Result<(), Error> {
        let callback = "proxy_on_response_metadata";
        let ignored: Option<u32> = self.run(context_id, callback, (context_id, count))?;
        self.action(ignored);
        Ok(())
    }

    fn headers(
        &mut self,
        callback: &str,
        direction: Direction,
        context_id: u32,
        headers: &[(&[u8], &[u8])],
        end_of_stream: bool,
    ) -> Result<Action, Error> {
        let message = direction(self.proxy_mut().http_stream(context_id));
        *message = Message::default();
        message.headers = owned(headers);
        message.reach.headers = true;
        let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        let params = (context_id, count, u32::from(end_of_stream));
        let result = self.run(context_id, callback, params)?;
        let action = self.action(result);
        if action == Action::Continue {
            direction(self.proxy_mut().http_stream(context_id))
                .reach
                .headers = false;
        }
        Ok(action)
    }

    fn body(
        &mut self,
        callback: &str,
        direction: Direction,
        context_id: u32,
        chunk: &[u8],
        end_of_stream: bool,
    ) -> Result<Action, Error> {
        let message = direction(self.proxy_mut().http_stream(context_id));
        message.receive(chunk);
        let len = len_u32(&message.body);
        let params = (context_id, len, u32::from(end_of_stream));
        let result = self.run(context_id, callback, params)?;
        let action = self.action(result);
        let goes_on = action == Action::Continue;
        direction(self.proxy_mut().http_stream(context_id)).received(goes_on);
        Ok(action)
    }

    fn trailers(
        &mut self,
        callback: &str,
        direction: Direction,
        context_id: u32,
        trailers: &[(&[u8], &[u8])],
    ) -> Result<Action, Error> {
        let message = direction(self.proxy_mut().http_stream(context_id));
        message.trailers = owned(trailers);
        message.reach.trailers = true;
        let count = u32::try_from(trailers.len()).unwrap_or(u32::MAX);
        let result = self.run(context_id, callback, (context_id, count))?;
        let action = self.action(result);
        if action == Action::Continue {
            let message = direction(self.proxy_mut().http_stream(context_id));
            message.reach.trailers = false;
            message.release_body();
        }
        Ok(action)
    }

    /// What the VM said, unless it answered the exchange: then nothing goes on, whatever it said.
    pub(crate) fn action(&mut self, result: Option<u32>) -> Action {
        let answered = std::mem::take(&mut self.proxy_mut().stop_iteration);
        match result {
            None | Some(0) if !answered => Action::Continue,
            _ => Action::Pause,
        }
    }
}

fn owned(headers: &[(&[u8], &[u8])]) -> Headers {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}
