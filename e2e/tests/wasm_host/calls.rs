//! Calls with arguments that make sense, hardly make sense, and make none.

use std::fmt;

/// One call, with the numbers that it is made with.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) args: Vec<Argument>,
}

#[derive(Debug, Clone)]
pub(crate) enum Argument {
    Number(u32),
    Long(u64),
    /// Where these bytes stand, and how many they are.
    Bytes(&'static [u8]),
    /// One of the three places of this call.
    Out(u32),
}

/// What an argument is drawn from.
#[derive(Clone, Copy)]
enum Kind {
    /// A name.
    Name,
    /// Any bytes.
    Bytes,
    /// Neither a message nor a cluster that there is.
    Upstream,
    /// A serialized header map.
    Map,
    /// The number of a map but that of the request, which Envoy fills.
    Map1,
    /// That of any map.
    MapAny,
    /// A small number.
    Small,
    /// One of these.
    Of(&'static [u32]),
    Signed,
    /// A place for an answer; its number.
    Out(u32),
}

const NAMES: &[&[u8]] = &[b"x-a", b"X-A", b"x-b", b"own", b"", b"a\0b"];
const UPSTREAMS: &[&[u8]] = &[b"x-a", b"own", b"pusher", b"\x0a\x05ab"];
const BYTES: &[&[u8]] = &[b"", b"1", b"some bytes", b"\xff\x00", b"x-a"];
const MAPS: &[&[u8]] = &[
    b"",
    b"\x00\x00\x00\x00",
    b"\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00k\0v\0",
    b"\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00k\0v\0",
    b"\xff\xff\xff\xff",
];
const NUMBERS: &[u32] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 99, 0x7fff_ffff, u32::MAX];
const TOKENS: &[u32] = &[0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 99];
const IDS: &[u32] = &[0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 13, 14, 99];
const VERSIONS: &[u32] = &[0, 1, 2, 3, 5, 8, u32::MAX];
/// Not the one that would end the connection to the upstream: Envoy does not live through it.
const CLOSED: &[u32] = &[4, 5, 99];
const GONE: &[u32] = &[99, u32::MAX];
/// Whose answer is the same at any time.
const CLOCKS: &[u32] = &[2, 3, 4, 99];
const FILES: &[u32] = &[0, 1, 2, 3, 99];
const TOO_LONG: &[u32] = &[65_537, u32::MAX];

/// Every call of the ABI whose answer does not depend on the time, the machine, or Envoy's own headers.
const CALLS: &[(&str, &[Kind])] = &[
    ("proxy_log", &[Kind::Small, Kind::Bytes]),
    (
        "proxy_get_property",
        &[Kind::Name, Kind::Out(0), Kind::Out(1)],
    ),
    ("proxy_set_property", &[Kind::Name, Kind::Bytes]),
    (
        "proxy_get_header_map_pairs",
        &[Kind::Map1, Kind::Out(0), Kind::Out(1)],
    ),
    ("proxy_get_header_map_size", &[Kind::Map1, Kind::Out(0)]),
    (
        "proxy_get_header_map_value",
        &[Kind::MapAny, Kind::Name, Kind::Out(0), Kind::Out(1)],
    ),
    (
        "proxy_add_header_map_value",
        &[Kind::MapAny, Kind::Name, Kind::Bytes],
    ),
    (
        "proxy_replace_header_map_value",
        &[Kind::MapAny, Kind::Name, Kind::Bytes],
    ),
    ("proxy_remove_header_map_value", &[Kind::MapAny, Kind::Name]),
    ("proxy_set_header_map_pairs", &[Kind::Map1, Kind::Map]),
    (
        "proxy_get_buffer_bytes",
        &[
            Kind::Small,
            Kind::Small,
            Kind::Small,
            Kind::Out(0),
            Kind::Out(1),
        ],
    ),
    (
        "proxy_get_buffer_status",
        &[Kind::Small, Kind::Out(0), Kind::Out(1)],
    ),
    (
        "proxy_set_buffer_bytes",
        &[Kind::Small, Kind::Small, Kind::Small, Kind::Bytes],
    ),
    (
        "proxy_get_shared_data",
        &[Kind::Name, Kind::Out(0), Kind::Out(1), Kind::Out(2)],
    ),
    (
        "proxy_set_shared_data",
        &[Kind::Name, Kind::Bytes, Kind::Of(VERSIONS)],
    ),
    ("proxy_register_shared_queue", &[Kind::Name, Kind::Out(0)]),
    (
        "proxy_resolve_shared_queue",
        &[Kind::Bytes, Kind::Name, Kind::Out(0)],
    ),
    (
        "proxy_enqueue_shared_queue",
        &[Kind::Of(TOKENS), Kind::Bytes],
    ),
    (
        "proxy_dequeue_shared_queue",
        &[Kind::Of(TOKENS), Kind::Out(0), Kind::Out(1)],
    ),
    (
        "proxy_define_metric",
        &[Kind::Small, Kind::Name, Kind::Out(0)],
    ),
    ("proxy_increment_metric", &[Kind::Of(IDS), Kind::Signed]),
    ("proxy_record_metric", &[Kind::Of(IDS), Kind::Signed]),
    ("proxy_get_metric", &[Kind::Of(IDS), Kind::Out(0)]),
    (
        "proxy_get_status",
        &[Kind::Out(0), Kind::Out(1), Kind::Out(2)],
    ),
    ("proxy_set_effective_context", &[Kind::Of(GONE)]),
    ("proxy_done", &[]),
    (
        "proxy_call_foreign_function",
        &[Kind::Name, Kind::Bytes, Kind::Out(0), Kind::Out(1)],
    ),
    ("proxy_continue_stream", &[Kind::Of(CLOSED)]),
    ("proxy_close_stream", &[Kind::Of(CLOSED)]),
    (
        "proxy_http_call",
        &[
            Kind::Name,
            Kind::Map,
            Kind::Bytes,
            Kind::Map,
            Kind::Small,
            Kind::Out(0),
        ],
    ),
    (
        "proxy_grpc_stream",
        &[
            Kind::Upstream,
            Kind::Name,
            Kind::Name,
            Kind::Map,
            Kind::Out(0),
        ],
    ),
    (
        "proxy_grpc_call",
        &[
            Kind::Upstream,
            Kind::Name,
            Kind::Name,
            Kind::Map,
            Kind::Bytes,
            Kind::Small,
            Kind::Out(0),
        ],
    ),
    (
        "proxy_grpc_send",
        &[Kind::Of(TOKENS), Kind::Bytes, Kind::Small],
    ),
    ("proxy_grpc_close", &[Kind::Of(TOKENS)]),
    ("proxy_grpc_cancel", &[Kind::Of(TOKENS)]),
    (
        "clock_time_get",
        &[Kind::Of(CLOCKS), Kind::Signed, Kind::Out(0)],
    ),
    ("clock_res_get", &[Kind::Small, Kind::Out(0)]),
    ("random_get", &[Kind::Out(0), Kind::Of(TOO_LONG)]),
    ("environ_sizes_get", &[Kind::Out(0), Kind::Out(1)]),
    ("environ_get", &[Kind::Out(0), Kind::Out(1)]),
    ("args_sizes_get", &[Kind::Out(0), Kind::Out(1)]),
    ("fd_fdstat_get", &[Kind::Of(GONE), Kind::Out(0)]),
    ("fd_prestat_get", &[Kind::Of(FILES), Kind::Out(0)]),
    ("sched_yield", &[]),
];

impl Call {
    pub(crate) fn draw(random: &mut Random) -> Call {
        let (name, kinds) = random.of(CALLS);
        let args = kinds.iter().flat_map(|kind| kind.draw(random)).collect();
        Call { name, args }
    }

    pub(crate) fn is_wasi(&self) -> bool {
        !self.name.starts_with("proxy_")
    }

    /// Every call that there is, with arguments of the kinds that it takes.
    pub(crate) fn each() -> impl Iterator<Item = Call> {
        CALLS.iter().map(|(name, kinds)| {
            let mut random = Random::new(0);
            let args = kinds.iter().flat_map(|kind| kind.draw(&mut random));
            Call {
                name,
                args: args.collect(),
            }
        })
    }
}

impl Kind {
    fn draw(self, random: &mut Random) -> Vec<Argument> {
        let number = |number| vec![Argument::Number(number)];
        // Bytes that are not there.
        let beyond = || vec![Argument::Number(u32::MAX - 7), Argument::Number(16)];
        match self {
            Kind::Name | Kind::Bytes | Kind::Map if random.below(20) == 0 => beyond(),
            Kind::Name => vec![Argument::Bytes(random.of(NAMES))],
            Kind::Bytes => vec![Argument::Bytes(random.of(BYTES))],
            Kind::Upstream => vec![Argument::Bytes(random.of(UPSTREAMS))],
            Kind::Map => vec![Argument::Bytes(random.of(MAPS))],
            Kind::Map1 => number(random.of(NUMBERS).max(1)),
            Kind::MapAny => match random.below(2) {
                0 => number(0),
                _ => number(random.of(NUMBERS)),
            },
            Kind::Small => number(random.of(NUMBERS)),
            Kind::Of(numbers) => number(random.of(numbers)),
            Kind::Signed => {
                let values = [1, 2, 7, 0, u64::MAX, 1 << 40];
                vec![Argument::Long(random.of(&values))]
            }
            Kind::Out(_) if random.below(25) == 0 => number(u32::MAX - 2),
            Kind::Out(place) => vec![Argument::Out(place)],
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{:?}", self.name, self.args)
    }
}

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}
