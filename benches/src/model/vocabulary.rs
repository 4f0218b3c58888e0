//! The words that rules and traffic are made of. What rules call rare never stands in ordinary traffic.

use crate::random::Random;

const SYLLABLES: [&str; 40] = [
    "ba", "be", "bo", "da", "do", "fa", "fi", "ga", "go", "ka", "ke", "ki", "la", "le", "li", "lo",
    "ma", "me", "mi", "mo", "na", "ne", "no", "pa", "pe", "ra", "re", "ri", "ro", "sa", "se", "si",
    "su", "ta", "te", "ti", "to", "tu", "va", "zo",
];

/// How ordinary traffic's paths begin. The word after each is of digits, so no rare word is in them.
pub(super) const ORDINARY_PATHS: [&str; 12] = [
    "/api/v2/items/",
    "/api/v2/search/facets/",
    "/api/v2/cart/lines/",
    "/api/v1/account/orders/",
    "/api/v1/recommendations/for-item/",
    "/api/seckill/rounds/",
    "/assets/js/chunks/vendor.",
    "/assets/img/products/large/",
    "/product/summer-dress-with-belt-",
    "/category/shoes/women/running/page-",
    "/checkout/shipping/addresses/",
    "/help/articles/returns-and-refunds-",
];

/// Beginnings that rare paths share.
pub(crate) const PROBED_FOLDERS: [&str; 10] = [
    "/wp-content/plugins/",
    "/wp-content/themes/",
    "/cgi-bin/",
    "/admin/modules/",
    "/phpmyadmin/scripts/",
    "/vendor/phpunit/src/",
    "/api/internal/",
    "/solr/admin/cores/",
    "/actuator/gateway/",
    "/.well-known/",
];

/// Common path prefixes, each the start of some ordinary path.
pub(super) const COMMON_PREFIXES: [&str; 6] = [
    "/api/",
    "/api/v1/",
    "/api/v2/",
    "/assets/",
    "/product/",
    "/checkout/",
];

/// User agents of ordinary traffic; `#` is a version.
pub(super) const BROWSERS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/#.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.# Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:#.0) Gecko/20100101 Firefox/#.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_# like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/#.0.0.0 Mobile Safari/537.36",
    "ShopApp/8.#.0 (Android 14; SM-S918B) okhttp/4.12.0",
];

pub(super) const LANGUAGES: [&str; 5] = [
    "en-GB,en;q=0.8",
    "en-US,en;q=0.9",
    "de-DE,de;q=0.9,en;q=0.7",
    "zh-CN,zh;q=0.9,en;q=0.6",
    "fr-FR,fr;q=0.9",
];

pub(super) const CHANNELS: [&str; 4] = ["web", "android", "ios", "partner"];

pub(super) const PLATFORMS: [&str; 4] = ["\"Windows\"", "\"macOS\"", "\"Linux\"", "\"Android\""];

pub(super) const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// How many hot paths and automation agents unselective rules pair.
pub(super) const HOT: usize = 100;
/// How many hot prefixes there are.
pub(super) const HOT_PREFIXES: usize = 20;
/// How many wide networks there are; the first is 127.200.0.0/16.
pub(super) const WIDE_NETWORKS: u8 = 20;
/// The second octet of the first wide network: every narrower network and ordinary source is below.
pub(super) const FIRST_WIDE: u8 = 200;

/// A rare word.
pub(crate) fn word(random: &mut Random) -> String {
    let syllables = 3 + random.below(3);
    (0..syllables).map(|_| *random.pick(&SYLLABLES)).collect()
}

/// A hot path; `/api/hot-07/login`.
pub(super) fn hot_path(index: usize) -> String {
    const VERBS: [&str; 5] = ["login", "register", "coupon", "otp", "refund"];
    let prefix = index % HOT_PREFIXES;
    format!("{}{}", hot_prefix(prefix), VERBS[index / HOT_PREFIXES % 5])
}

/// A prefix of five hot paths.
pub(super) fn hot_prefix(index: usize) -> String {
    format!("/api/store-{index:02}/")
}

/// An automation agent, as it stands inside of a user agent.
pub(super) fn hot_agent(index: usize) -> String {
    const TOOLS: [&str; 10] = [
        "python-requests",
        "Go-http-client",
        "axios",
        "libwww-perl",
        "HeadlessShell",
        "PhantomRunner",
        "selenium-grid",
        "scrapy",
        "aiohttp",
        "okbot",
    ];
    format!("{}/{}.1 ", TOOLS[index % 10], index / 10 + 1)
}

/// A device id: sixteen hexadecimal digits.
pub(super) fn device(random: &mut Random) -> String {
    format!("{:016x}", random.next_u64())
}
