//! The callbacks of calls of other services.

use crate::callout::HttpResponse;
use crate::http_stream::Headers;
use crate::vm::{Error, Vm, len_u32};

/// The status of an HTTP call that got no response.
const BROKEN_CONNECTION: u32 = 11;

impl Vm {
    /// `proxy_on_grpc_receive_initial_metadata`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped, as with every callback.
    pub fn grpc_initial_metadata(
        &mut self,
        context_id: u32,
        token: u32,
        metadata: Headers,
    ) -> Result<(), Error> {
        let count = u32::try_from(metadata.len()).unwrap_or(u32::MAX);
        let params = (context_id, token, count);
        self.proxy_mut().incoming.grpc_initial_metadata = Some(metadata);
        let callback = "proxy_on_grpc_receive_initial_metadata";
        let told = self.tell(context_id, callback, params);
        self.proxy_mut().incoming.grpc_initial_metadata = None;
        told
    }

    /// `proxy_on_grpc_receive`: a message comes on a stream.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn grpc_receive(
        &mut self,
        context_id: u32,
        token: u32,
        message: &[u8],
    ) -> Result<(), Error> {
        self.proxy_mut().incoming.grpc_message = message.to_vec();
        let params = (context_id, token, len_u32(message));
        let told = self.tell(context_id, "proxy_on_grpc_receive", params);
        self.proxy_mut().incoming.grpc_message = Vec::new();
        told
    }

    /// `proxy_on_grpc_receive_trailing_metadata`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn grpc_trailing_metadata(
        &mut self,
        context_id: u32,
        token: u32,
        metadata: Headers,
    ) -> Result<(), Error> {
        let count = u32::try_from(metadata.len()).unwrap_or(u32::MAX);
        let params = (context_id, token, count);
        self.proxy_mut().incoming.grpc_trailing_metadata = Some(metadata);
        let callback = "proxy_on_grpc_receive_trailing_metadata";
        let told = self.tell(context_id, callback, params);
        self.proxy_mut().incoming.grpc_trailing_metadata = None;
        told
    }

    /// `proxy_on_grpc_close`: the other end closed a stream, or a call failed.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn grpc_close(&mut self, context_id: u32, token: u32, status: u32) -> Result<(), Error> {
        self.grpc_close_with(context_id, token, status, b"")
    }

    /// The same, with the text that `proxy_get_status` answers.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn grpc_close_with(
        &mut self,
        context_id: u32,
        token: u32,
        status: u32,
        message: &[u8],
    ) -> Result<(), Error> {
        let proxy = self.proxy_mut();
        let mut streams = proxy.grpc_streams.iter_mut().rev();
        if let Some(stream) = streams.find(|stream| stream.token == token) {
            stream.closed.get_or_insert(status);
        }
        proxy.incoming.status = (status, message.to_vec());
        let params = (context_id, token, status);
        let told = self.tell(context_id, "proxy_on_grpc_close", params);
        // As in Envoy, the code stays and the text goes.
        self.proxy_mut().incoming.status.1 = Vec::new();
        told
    }

    /// `proxy_on_http_call_response`; `None` if the call failed.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn http_call_response(
        &mut self,
        context_id: u32,
        token: u32,
        response: Option<HttpResponse>,
    ) -> Result<(), Error> {
        let len = |headers: &Headers| u32::try_from(headers.len()).unwrap_or(u32::MAX);
        let lens = response.as_ref().map(|response| {
            let body_len = len_u32(&response.body);
            (len(&response.headers), body_len, len(&response.trailers))
        });
        let incoming = &mut self.proxy_mut().incoming;
        if response.is_none() {
            incoming.status = (BROKEN_CONNECTION, b"reset".to_vec());
        }
        incoming.http_response = response;
        let (headers, body, trailers) = lens.unwrap_or_default();
        let params = (context_id, token, headers, body, trailers);
        let told = self.tell(context_id, "proxy_on_http_call_response", params);
        let incoming = &mut self.proxy_mut().incoming;
        incoming.http_response = None;
        incoming.status.1 = Vec::new();
        told
    }
}
