//! How many connections the system lets this process have.

use riskgate_pusher::config::Config;
use tracing::info;

/// Open files that are no connections: the store, the log, what the runtime needs.
const OTHERS: usize = 64;

/// Raises the limit of open files as far as the system allows, since every filter is one, and keeps the connections
/// below it: operators must get through when filters come in floods.
pub(crate) fn within_limit(config: Config, addresses_of_filters: usize) -> Config {
    // Where the limit cannot be told, accepting fails when it is reached.
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let room = limit.saturating_sub(OTHERS + config.operator_connections_max);
    let room = (room / addresses_of_filters).max(1);
    if room < config.connections_max {
        info!(
            "the system allows {limit} open files, so that {room} filters connect at most; raise `ulimit -Hn` for more"
        );
    }
    Config {
        connections_max: config.connections_max.min(room),
        ..config
    }
}
