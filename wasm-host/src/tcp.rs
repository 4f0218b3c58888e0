//! The callbacks of a TCP connection. Its exchange is a [`HttpStream`](crate::HttpStream) without headers: what the client
//! sends is the request's body, and what the upstream sends the response's.

use crate::http_stream::HttpStream;
use crate::vm::{Action, Error, Vm, len_u32};

/// Who closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// Not known.
    Unknown,
    /// The proxy.
    Proxy,
    /// The other end.
    Peer,
}

impl ClosedBy {
    fn number(self) -> u32 {
        match self {
            ClosedBy::Unknown => 0,
            ClosedBy::Proxy => 1,
            ClosedBy::Peer => 2,
        }
    }
}

impl Vm {
    /// `proxy_on_new_connection`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped, as with every callback.
    pub fn new_connection(&mut self, context_id: u32) -> Result<Action, Error> {
        *self.proxy_mut().http_stream(context_id) = HttpStream::default();
        let result = self.run(context_id, "proxy_on_new_connection", context_id)?;
        Ok(self.action(result))
    }

    /// `proxy_on_downstream_data`: the client sends. What the VM held back stands before it.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn downstream_data(
        &mut self,
        context_id: u32,
        data: &[u8],
        end_of_stream: bool,
    ) -> Result<Action, Error> {
        let message = &mut self.proxy_mut().http_stream(context_id).request;
        message.receive(data);
        let params = (context_id, len_u32(&message.body), u32::from(end_of_stream));
        let result = self.run(context_id, "proxy_on_downstream_data", params)?;
        let action = self.action(result);
        let message = &mut self.proxy_mut().http_stream(context_id).request;
        message.received(action == Action::Continue);
        Ok(action)
    }

    /// `proxy_on_upstream_data`: the upstream sends.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn upstream_data(
        &mut self,
        context_id: u32,
        data: &[u8],
        end_of_stream: bool,
    ) -> Result<Action, Error> {
        let message = &mut self.proxy_mut().http_stream(context_id).response;
        message.receive(data);
        let params = (context_id, len_u32(&message.body), u32::from(end_of_stream));
        let result = self.run(context_id, "proxy_on_upstream_data", params)?;
        let action = self.action(result);
        let message = &mut self.proxy_mut().http_stream(context_id).response;
        message.received(action == Action::Continue);
        Ok(action)
    }

    /// `proxy_on_downstream_connection_close`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn downstream_close(&mut self, context_id: u32, by: ClosedBy) -> Result<(), Error> {
        let callback = "proxy_on_downstream_connection_close";
        self.tell(context_id, callback, (context_id, by.number()))
    }

    /// `proxy_on_upstream_connection_close`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn upstream_close(&mut self, context_id: u32, by: ClosedBy) -> Result<(), Error> {
        let callback = "proxy_on_upstream_connection_close";
        self.tell(context_id, callback, (context_id, by.number()))
    }
}
