//! A small filter, written with the crate `proxy-wasm` as most are. It uses a bit of everything that a proxy offers, so that
//! the tests of the host can show how to test each.
//!
//! A request says in the header `x-do` what becomes of it; its configuration says what the root context does.

mod request;
mod root;

/// What the host calls once in each VM, before anything else.
mod start {
    #![allow(
        unsafe_code,
        reason = "what `proxy_wasm::main!` exports has a name that the host knows"
    )]

    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Trace);
        proxy_wasm::set_root_context(|_| Box::new(crate::root::Root::default()));
    }}
}
