//! The callbacks of gRPC streams.

use crate::http_stream::Headers;
use crate::vm::{Error, Vm, len_u32};

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
        self.proxy_mut().incoming.grpc_initial_metadata = metadata;
        let callback = "proxy_on_grpc_receive_initial_metadata";
        let told = self.tell(context_id, callback, params);
        self.proxy_mut().incoming.grpc_initial_metadata = Headers::new();
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

    /// `proxy_on_grpc_close`: the other end closed a stream.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn grpc_close(&mut self, context_id: u32, token: u32, status: u32) -> Result<(), Error> {
        let params = (context_id, token, status);
        self.tell(context_id, "proxy_on_grpc_close", params)
    }
}
