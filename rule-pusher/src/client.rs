//! The operators' side of the admin service.

use std::{error::Error, io, time::Duration};

use riskgate_push_protocol::{
    ProtoError, Published, Status as PusherStatus,
    proto::{self, admin_service_client::AdminServiceClient},
};
use tokio::time::{self, Instant};
use tonic::{
    Code, Status,
    transport::{self, Channel, Endpoint},
};

use crate::address::host_and_port;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two attempts to connect.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// How long an answer may take; a bundle of 32 MiB is verified and written within.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// A bundle travels in pieces of this length, in bytes.
const PIECE_LEN: usize = 256 << 10;

/// Room for the longest status, in bytes; the pusher lists no more than fits.
pub(crate) const STATUS_LEN_MAX: usize = 64 << 20;

/// A connection to a push service's admin address.
#[derive(Clone, Debug)]
pub struct AdminClient {
    address: String,
    client: AdminServiceClient<Channel>,
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("`{address}` is no address; give HOST:PORT or http://HOST:PORT")]
    BadAddress {
        /// As it was given.
        address: String,
    },
    /// Nothing answers there.
    #[error(
        "no pusher answers at {address}: {cause}; is `rule-pusher serve` running, with that `--admin` address?"
    )]
    Unreachable {
        /// The address.
        address: String,
        /// What the network said.
        cause: String,
    },
    /// The pusher refused the bundle, with a stable word and a sentence.
    #[error("refused: {0}")]
    Refused(String),
    /// Something answers there that takes no calls of operators.
    #[error(
        "{address} is not the admin address of a pusher; give the one of `rule-pusher serve --admin`, not that of `--subscribers` or `--ecds`"
    )]
    NoAdmin {
        /// The address.
        address: String,
    },
    /// The connection broke, or what answers there is no gRPC service.
    #[error("the call to {address} failed: {message}; is that the `--admin` address of a pusher?")]
    Broken {
        /// The address.
        address: String,
        /// What happened.
        message: String,
    },
    /// The pusher could not do it.
    #[error("the pusher at {address} answered with an error: {message}")]
    Failed {
        /// The address.
        address: String,
        /// What it said.
        message: String,
    },
    /// The answer makes no sense.
    #[error(
        "the pusher at {address} answered with something unknown: {error}; is it of another version?"
    )]
    BadAnswer {
        /// The address.
        address: String,
        /// What is wrong with it.
        error: ProtoError,
    },
}

impl AdminClient {
    /// Connects to `HOST:PORT` or `http://HOST:PORT`.
    ///
    /// # Errors
    ///
    /// If the address is none, or nothing listens there.
    pub async fn connect(address: &str) -> Result<Self, ClientError> {
        Self::connect_within(address, Duration::ZERO).await
    }

    /// As [`AdminClient::connect`], but for so long tries again while nothing listens there: the pusher may be starting.
    ///
    /// # Errors
    ///
    /// As [`AdminClient::connect`].
    pub async fn connect_within(address: &str, wait: Duration) -> Result<Self, ClientError> {
        let bad_address = || ClientError::BadAddress {
            address: address.to_owned(),
        };
        let target = host_and_port(address).ok_or_else(bad_address)?;
        let endpoint = Endpoint::from_shared(format!("http://{target}"));
        let endpoint = endpoint
            .map_err(|_| bad_address())?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT);
        let deadline = Instant::now() + wait;
        let channel = loop {
            match endpoint.connect().await {
                Ok(channel) => break channel,
                Err(error) if is_refused(&error) && Instant::now() < deadline => {
                    time::sleep_until(deadline.min(Instant::now() + CONNECT_PAUSE)).await;
                }
                Err(error) => return Err(unreachable(address, &error)),
            }
        };
        let client = AdminServiceClient::new(channel).max_decoding_message_size(STATUS_LEN_MAX);
        Ok(Self {
            address: address.to_owned(),
            client,
        })
    }

    /// Publishes a bundle file.
    ///
    /// # Errors
    ///
    /// If the pusher refuses it, or the call fails.
    pub async fn publish(&mut self, file: &[u8]) -> Result<Published, ClientError> {
        let pieces: Vec<_> = file
            .chunks(PIECE_LEN)
            .map(|piece| proto::PublishRequest {
                data: piece.to_vec(),
            })
            .collect();
        let answer = self.client.publish(tokio_stream::iter(pieces)).await;
        let answer = answer.map_err(|status| self.failed(&status))?.into_inner();
        answer.try_into().map_err(|error| self.bad_answer(error))
    }

    /// What is published, and what every connected VM made of it; of one ruleset only, if it is given.
    ///
    /// # Errors
    ///
    /// If the call fails.
    pub async fn status(&mut self, ruleset: Option<&str>) -> Result<PusherStatus, ClientError> {
        let request = proto::StatusRequest {
            ruleset: ruleset.unwrap_or_default().to_owned(),
        };
        let answer = self.client.status(request).await;
        let answer = answer.map_err(|status| self.failed(&status))?.into_inner();
        answer.try_into().map_err(|error| self.bad_answer(error))
    }

    fn failed(&self, status: &Status) -> ClientError {
        let (address, message) = (self.address.clone(), status.message().to_owned());
        // What a pusher says comes without a cause on this side.
        match status.source() {
            Some(cause) if is_refused(cause) => {
                let cause = root_cause(cause);
                return ClientError::Unreachable { address, cause };
            }
            Some(_) => return ClientError::Broken { address, message },
            None => {}
        }
        match status.code() {
            Code::InvalidArgument | Code::FailedPrecondition => ClientError::Refused(message),
            Code::Unavailable => ClientError::Unreachable {
                address,
                cause: message,
            },
            Code::Unimplemented => ClientError::NoAdmin { address },
            _ => ClientError::Failed { address, message },
        }
    }

    fn bad_answer(&self, error: ProtoError) -> ClientError {
        ClientError::BadAnswer {
            address: self.address.clone(),
            error,
        }
    }
}

fn unreachable(address: &str, error: &transport::Error) -> ClientError {
    ClientError::Unreachable {
        address: address.to_owned(),
        cause: root_cause(error),
    }
}

/// Nothing listens there.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::ConnectionRefused) || error.source().is_some_and(is_refused)
}

/// `Connection refused` says more than `transport error`.
fn root_cause(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => root_cause(source),
        None => error.to_string(),
    }
}
